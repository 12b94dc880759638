"""Rules that columns of numbers must keep, as a schema of pandera; what breaks them is rejected or stops the build."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from alloymtl.data.rows.screening import Reason, Screening

Numbers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Rule:
    """A reason to reject, and the test that a number of the column must pass.

    Args:
        reason: what is said of a number that fails.
        holds: from numbers (rows,) to a mask (rows,). NaN must pass but for the rule that is about it.
    """

    reason: Reason
    holds: Callable[[pd.Series], pd.Series]

    def check(self) -> pandera.Check:
        """The rule as a check of a pandera column."""
        # Which rows fail is taken from the check's mask; a table of a million failures would cost gigabytes.
        return pandera.Check(
            self.holds, name=self.reason.rule, error=self.reason.text, ignore_na=False, n_failure_cases=1
        )


@dataclass(frozen=True)
class Checked:
    """A column of numbers with its rules, and what is shown of it: its name and its cells (rows,)."""

    name: str
    numbers: np.ndarray
    cells: Sequence[str] | pd.Series
    rules: Sequence[Rule]


def screen(columns: Sequence[Checked], screening: Screening) -> None:
    """Reject the rows of which any number breaks a rule; of several the first is named, in the order of the columns.

    Args:
        columns: equally many rows each.
        screening: takes the rows that fail.
    """
    schema = pandera.DataFrameSchema(
        {
            number: pandera.Column(float, [rule.check() for rule in column.rules], nullable=True)
            for number, column in enumerate(columns)
        }
    )
    table = pd.DataFrame({number: column.numbers for number, column in enumerate(columns)}, copy=False)
    try:
        schema.validate(table, lazy=True)
    except pandera.errors.SchemaErrors as found:
        broken = {
            (error.schema.name, error.check_index): ~np.asarray(error.check_output) for error in found.schema_errors
        }
    else:
        return
    for number, column in enumerate(columns):
        for place, rule in enumerate(column.rules):
            if (number, place) in broken:
                screening.reject(broken[number, place], rule.reason, column.name, column.cells)


def alloys_schema(elements: Sequence[str], classes: Mapping[str, bool]) -> pandera.DataFrameSchema:
    """What every table of alloys keeps: see ``union.unite`` for its columns.

    Args:
        elements: of the study.
        classes: whether the label is a class, by task.
    """
    share = pandera.Column(float, pandera.Check.in_range(0, 1))
    fractions = [f"c:{element}" for element in elements]
    whole = pandera.Check(lambda table: np.abs(table[fractions].sum(axis=1) - 1) < 1e-9, name="fractions sum to one")
    columns = {"alloy": pandera.Column(str, unique=True), "system": pandera.Column(str)}
    columns |= dict.fromkeys(fractions, share)
    for task, is_class in classes.items():
        finite = pandera.Check(np.isfinite, name="finite")
        label = [pandera.Check.isin([0.0, 1.0])] if is_class else [finite]
        columns[f"y:{task}"] = pandera.Column(float, label, nullable=True)
        columns[f"n:{task}"] = pandera.Column(int, pandera.Check.ge(0))
        columns[f"sd:{task}"] = pandera.Column(float, pandera.Check.ge(0), nullable=True)
    return pandera.DataFrameSchema(columns, checks=[whole], strict=True, ordered=True)
