"""Several rows of one alloy: where ``data.repeats`` is ``keep``, each measurement is a row with an id of its own.

The first row of an alloy has the alloy's id; further ones add ``#2``, ``#3`` and so on to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEEP = "keep"
MARK = "#"


def alloy_of(ids: pd.Series) -> pd.Series:
    """The alloy that each row is of: its id without the number of the measurement."""
    return ids.str.partition(MARK)[0]


def distinct(table: pd.DataFrame, labels: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """One row for each alloy, in the order in which they first appear.

    Args:
        table: rows with ids in ``alloy``, in which all rows of an alloy agree in all but id and labels.
        labels: its columns of labels; an alloy's is the mean of those of its rows, NaN where there is none.

    Returns:
        The alloys, and for each row of ``table`` which of them it is of. A table without repeats comes back as it is.
    """
    if not table["alloy"].str.contains(MARK, regex=False).any():
        return table, np.arange(len(table))
    of_row, names = pd.factorize(alloy_of(table["alloy"]))
    first = np.unique(of_row, return_index=True)[1]
    means = table[list(labels)].groupby(of_row).mean()
    alloys = table.iloc[first].reset_index(drop=True).assign(alloy=np.asarray(names, dtype=object))
    return alloys.assign(**{column: means[column].to_numpy() for column in labels}), of_row
