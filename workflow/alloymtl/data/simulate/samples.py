"""A set of samples: where each was made, what it is, and what its composition reads in print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNITS_PER_WHOLE = 10_000  # printed precision 0.01 at.%
SESSION = 50  # samples that are measured for a second task in one session


@dataclass(frozen=True)
class Samples:
    """Of n samples.

    Args:
        lot: wafer, series, ribbon system or measuring session, integers of shape (n,).
        true: atomic fractions that decide the property, shape (n, 15).
        printed: composition in the file, in hundredths of at.%, integers of shape (n, 15) and row sum 10,000.
        position: X and Y on the wafer in mm, shape (n, 2); None off wafers.
    """

    lot: np.ndarray
    true: np.ndarray
    printed: np.ndarray
    position: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lot)

    def take(self, rows: np.ndarray) -> Samples:
        """These rows, in this order."""
        position = None if self.position is None else self.position[rows]
        return Samples(self.lot[rows], self.true[rows], self.printed[rows], position)

    def with_common(self, rows: np.ndarray, lender: Samples, lent: np.ndarray) -> Samples:
        """The same number of samples, those at ``rows`` given up for the lender's alloys, measured in new lots."""
        lot, true, shown = self.lot.copy(), self.true.copy(), self.printed.copy()
        true[rows], shown[rows] = lender.true[lent], lender.printed[lent]
        lot[rows] = lot.max() + 1 + np.arange(len(rows)) // SESSION
        return Samples(lot, true, shown, self.position)


def round_to_print(amounts: np.ndarray) -> np.ndarray:
    """Amounts of any sum, shape (n, 15), as hundredths of at.%.

    Every row sums to 10,000 exactly: what rounding leaves over goes to the largest element.
    """
    units = np.rint(amounts / amounts.sum(axis=1, keepdims=True) * UNITS_PER_WHOLE).astype(np.int64)
    units[np.arange(len(units)), units.argmax(axis=1)] += UNITS_PER_WHOLE - units.sum(axis=1)
    return units
