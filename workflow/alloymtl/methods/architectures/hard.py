"""Hard parameter sharing (Caruana 1997; arXiv:2512.22740, section 3.2.2): one backbone, and a head for each task."""

from __future__ import annotations

from collections.abc import Sequence

from alloymtl.methods.layers import BackboneAndHeads as Network

__all__ = ["OPTIONS", "Network", "groups"]

OPTIONS = {"head": 64}


def groups(tasks: Sequence[str]) -> list[list[str]]:
    """The tasks that are trained together: all."""
    return [list(tasks)]
