"""What is trained after what: an architecture trains its tasks in stages, each a network of some tasks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One network and the tasks that it is trained for.

    Attributes:
        tasks: names of the tasks trained together.
        start: label of an earlier stage whose backbone this one starts from; None: a backbone drawn at random.
        frozen: whether the backbone stays as it starts, so that only heads are trained.
    """

    tasks: tuple[str, ...]
    start: str | None = None
    frozen: bool = False

    @property
    def label(self) -> str:
        """Its name: that of its tasks."""
        return "+".join(self.tasks)


def together(tasks: list[str]) -> list[Stage]:
    """One network for all tasks."""
    return [Stage(tuple(tasks))]


def apart(tasks: list[str]) -> list[Stage]:
    """A network for each task."""
    return [Stage((task,)) for task in tasks]
