"""The study as the paper sees it: read from the step's parameter, which holds no paths and no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alloymtl.data.repeats import KEEP
from alloymtl.data.simulate.settings import PROPERTIES
from alloymtl.experiment import AFFINITY, MAIN, Experiment
from alloymtl.run import FOLDERS, Level, Part
from alloymtl.task import Task

LEVELS = ("imbalance", "imbalance_equal", "imbalance_steps")
"""Experiments on the size of the largest task: as trained, with weights that no level changes, and with equal steps."""


def shown_level(experiment: Experiment) -> Level:
    """The level that a figure of an experiment shows: every alloy where that was run, else the largest."""
    return ordered(experiment)[-1]


def ordered(experiment: Experiment) -> list[Level]:
    """Levels of an experiment from the smallest to the largest."""
    return sorted(experiment.levels, key=lambda level: float("inf") if level == "all" else int(level))


@dataclass(frozen=True)
class MethodView:
    """A method's title, its parts by kind, and its training settings."""

    name: str
    title: str
    parts: Mapping[str, Part]
    training: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """Name of its architecture."""
        return self.parts["architecture"].name

    @property
    def balancer(self) -> str:
        """Name of its balancer."""
        return self.parts["balancer"].name


@dataclass(frozen=True)
class PaperStudy:
    """What tables, figures and text need to know of a study.

    ``reported`` names the paper whose numbers stand beside the study's own. Of the studies within it, ``arms`` holds
    those that ask what gradients tell of tasks, and ``controls`` the others.
    """

    name: str
    title: str
    simulated: bool
    tasks: tuple[Task, ...]
    methods: Mapping[str, MethodView]
    experiments: Mapping[str, Experiment]
    evaluation: Mapping[str, Any]
    paper: Mapping[str, Any]
    split: Mapping[str, Any]
    data: Mapping[str, Any]
    simulation: Mapping[str, Any] | None
    diagnostics: Mapping[str, Any]
    reported: str | None
    controls: Mapping[str, PaperStudy]
    arms: Mapping[str, PaperStudy]

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> PaperStudy:
        """Read what ``alloymtl.study.Study.to_paper_dict`` wrote."""
        experiments = [Experiment.from_dict(e) for e in spec["experiments"]]
        within = {name: cls.from_spec(control) for name, control in spec["controls"].items()}
        return cls(
            name=spec["study"],
            title=spec["title"],
            simulated=spec["simulated"],
            tasks=tuple(Task.from_dict(t) for t in spec["tasks"]),
            methods={n: _method(n, values) for n, values in spec["methods"].items()},
            experiments={e.name: e for e in experiments},
            evaluation=spec["evaluation"],
            paper=spec["paper"],
            split=spec["split"],
            data=spec["data"],
            simulation=spec["simulation"],
            diagnostics=spec["diagnostics"],
            reported=spec["reported"],
            controls={name: one for name, one in within.items() if AFFINITY not in one.experiments},
            arms={name: one for name, one in within.items() if AFFINITY in one.experiments},
        )

    @property
    def main(self) -> Experiment:
        """The experiment that the main comparison shows."""
        return self.experiments[MAIN]

    @property
    def level(self) -> Level:
        """The level that figures and text speak of: every alloy where that was run, else the largest."""
        return shown_level(self.main)

    @property
    def main_methods(self) -> tuple[MethodView, ...]:
        """Methods of the main comparison, in order."""
        return tuple(self.methods[name] for name in self.main.methods)

    @property
    def baseline(self) -> str:
        """The first baseline: of the first comparison, or the first method where none is tested."""
        return self.main.comparisons[0][0] if self.main.comparisons else self.main.methods[0]

    @property
    def clusters(self) -> Mapping[str, str]:
        """The cluster of each task, where simulated tasks of one cluster share a function; else empty."""
        if self.simulation is None or self.simulation.get("latent_per") != "cluster":
            return {}
        return {task.name: PROPERTIES[task.name].cluster for task in self.tasks if task.name in PROPERTIES}

    @property
    def keeps_repeats(self) -> bool:
        """Whether every measurement of an alloy is a row of its own."""
        return self.data["repeats"] == KEEP

    def of_kind(self, kind: str) -> tuple[Task, ...]:
        """Tasks of one kind, in order."""
        return tuple(task for task in self.tasks if task.kind == kind)

    def metrics(self, task: Task) -> tuple[str, ...]:
        """Metrics that the main comparison shows for a task; verdicts speak of the first."""
        return tuple(self.evaluation[task.kind])


def _method(name: str, values: Mapping[str, Any]) -> MethodView:
    parts = {kind: Part(kind, **values[kind]) for kind in FOLDERS}
    return MethodView(name, values["title"], parts, values["training"])
