"""Cosines between the gradients of two tasks on the shared parameters, of each run, seen in three ways.

Each function takes measures of gradients (columns ``epoch``, ``first``, ``second``, ``measure``, ``value``, ``n``, and
those that name a run) and gives one value by run and pair, in the order of their first lines; pairs or runs without a
value are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PAIR = ["first", "second"]


def minibatch(table: pd.DataFrame, run: Sequence[str]) -> pd.Series:
    """Cosine of the gradients that training met: the mean over the measured steps that held both tasks.

    Args:
        table: see above.
        run: columns that name a run.
    """
    rows = table[table["measure"] == "cosine"]
    weighted = rows[[*run, *PAIR, "n"]].assign(weighted=rows["value"] * rows["n"])
    sums = weighted.groupby([*run, *PAIR], sort=False)[["weighted", "n"]].sum()
    return sums["weighted"] / sums["n"]


def large(table: pd.DataFrame, run: Sequence[str]) -> pd.Series:
    """Cosine of the gradients of a large batch with as many rows of each task: the mean over epochs.

    Arguments as for ``minibatch``.
    """
    return table[table["measure"] == "cosine_large"].groupby([*run, *PAIR], sort=False)["value"].mean()


def corrected(table: pd.DataFrame, run: Sequence[str]) -> pd.Series:
    """Cosine without the bias of noise: inner products across independent halves of a batch, summed over epochs.

    c = sum <a, b> / sqrt(sum <a, a> * sum <b, b>) of the unbiased products that ``training.probe`` takes, to which
    noise adds nothing on average; in a plain cosine it lengthens both gradients and draws it to zero. Only epochs that
    have all three products count. A run in which noise swamps a gradient, so that <a, a> or <b, b> does not sum to a
    positive number, has no value. The result of a noisy run may lie outside -1 to 1.

    Arguments as for ``minibatch``.
    """
    key = [*run, "epoch"]
    rows = table.loc[table["measure"] == "product_halves", [*key, *PAIR, "value"]]
    own = rows[rows["first"] == rows["second"]].drop(columns="second")
    pairs = rows[rows["first"] != rows["second"]]
    for place in PAIR:
        square = own.rename(columns={"first": place, "value": f"square_{place}"})
        pairs = pairs.merge(square, on=[*key, place])
    of_run = pairs.groupby([*run, *PAIR], sort=False)[["value", "square_first", "square_second"]].sum()
    told = of_run[(of_run["square_first"] > 0) & (of_run["square_second"] > 0)]
    return told["value"] / np.sqrt(told["square_first"] * told["square_second"])


ESTIMATORS = {"minibatch": minibatch, "large": large, "corrected": corrected}
