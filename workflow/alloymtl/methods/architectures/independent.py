"""Independent single-task networks (arXiv:2512.22740, section 3.2.1): one backbone and one linear output per task.

Each task is trained on its own, with its own early stopping, on its own rows. ``head`` gives the output hidden units,
to match the capacity of a shared network's heads; the paper states none.
"""

from __future__ import annotations

from collections.abc import Sequence

from alloymtl.methods.layers import BackboneAndHeads as Network

__all__ = ["OPTIONS", "Network", "groups"]

OPTIONS = {"head": 0}


def groups(tasks: Sequence[str]) -> list[list[str]]:
    """The tasks that are trained together: each alone."""
    return [[task] for task in tasks]
