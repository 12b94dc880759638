"""Pairwise joint training (Standley et al. 2020): a network for each pair of tasks, a round of pairs at a time.

With T tasks there are T - 1 rounds (T for an odd number, in each of which another task has a network of its own), and
every two tasks meet in one of them: the circle method of tournaments. ``round`` says which one, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.errors import UserError
from alloymtl.methods.stages import Stage

OPTIONS = {"head": 64, "round": 1}
FORM = "shared"


def rounds(n: int) -> int:
    """How many rounds it takes until every two of n tasks have met."""
    return n - 1 + n % 2


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """A network for each pair of the round, in the order of their first tasks.

    Raises:
        UserError: there is no such round of these tasks.
    """
    last, number = rounds(len(tasks)), options["round"]
    if not 1 <= number <= last:
        mend = f"write 1 to {last}."
        raise UserError("architecture_options.round", f"{len(tasks)} tasks meet in {last} rounds, not {number}.", mend)
    # One seat stays, the others move on by one each round; an empty seat rests whoever faces it.
    seats = [*tasks, *([None] * (len(tasks) % 2))]
    moved = [seats[0], *np.roll(np.array(seats[1:], dtype=object), number - 1)]
    met = [[task for task in tasks if task in pair] for pair in zip(moved, reversed(moved), strict=True)]
    groups = {tuple(pair) for pair in met}
    return [Stage(pair) for pair in sorted(groups, key=lambda pair: tasks.index(pair[0]))]
