"""Hard sharing within groups of tasks (Standley et al. 2020): one network for each group, and none across.

``groups`` lists the groups, each a list of tasks; a task that no group names has a network of its own. Two tasks to a
group give pairwise joint training, all tasks in one group hard sharing, and none at all independent networks with the
heads of a shared one. Groups are trained one after the other, each on its own rows, with its own early stopping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.errors import UserError, suggestion
from alloymtl.methods.stages import Stage

OPTIONS = {"head": 64, "groups": []}
FORM = "shared"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """A network for each group, in the order of their first tasks; tasks of a group in the study's order.

    Raises:
        UserError: a group names no task of the study, or a task stands twice.
    """
    home: dict[str, int] = {}
    for number, group in enumerate(options["groups"]):
        where = f"architecture_options.groups[{number}]"
        if not isinstance(group, list) or not all(isinstance(task, str) for task in group):
            raise UserError(where, f"{group!r} is not a list of tasks.", "write it as in [hardness, yield_strength].")
        for task in group:
            if task not in tasks:
                raise UserError(where, f"no task {task!r}.", suggestion(task, list(tasks)))
            if task in home:
                raise UserError(where, f"task {task!r} stands twice.", "leave it in one group.")
            home[task] = number
    groups: dict[Any, list[str]] = {}
    for task in tasks:
        groups.setdefault(home.get(task, task), []).append(task)
    return [Stage(tuple(group)) for group in groups.values()]
