"""The words of the project as typed objects, read from a validated config.

Every object turns into plain JSON (``to_dict``) and back (``from_dict``): a rule hands a step exactly the part of the
study that decides its output, as one parameter, so that nothing else can make it run again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alloymtl import components
from alloymtl.config import validate
from alloymtl.errors import UserError, suggestion
from alloymtl.experiment import Experiment
from alloymtl.run import FOLDERS, Level, Part, Run, engine_module
from alloymtl.task import Task


@dataclass(frozen=True)
class Method:
    """Architecture x loss x balancer x sampler, and the training settings it runs with."""

    name: str
    title: str
    architecture: Part
    loss: Part
    balancer: Part
    sampler: Part
    training: Mapping[str, Any]

    def parts(self) -> dict[str, Part]:
        """Its parts by kind."""
        return {kind: getattr(self, kind) for kind in FOLDERS}

    def modules(self) -> list[str]:
        """Dotted modules of its parts and its engine."""
        return [*(part.module for part in self.parts().values()), engine_module(self.training)]

    def extras(self) -> tuple[str, ...]:
        """Files that its parts add to a run's folder, without their ending."""
        return tuple(name for kind, part in self.parts().items() for name in components.extras(kind, part.name))


@dataclass(frozen=True)
class Study:
    """One configuration, one set of raw files, one paper."""

    name: str
    tasks: tuple[Task, ...]
    methods: Mapping[str, Method]
    experiments: Mapping[str, Experiment]
    simulation: Mapping[str, Any] | None
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    paper: Mapping[str, Any]

    @property
    def root(self) -> str:
        """Folder of all that is generated, relative to the working directory."""
        return f"results/{self.name}"

    @property
    def raw(self) -> str:
        """Folder of simulated raw files."""
        return f"{self.root}/raw"

    @property
    def simulated_paths(self) -> set[str]:
        """Raw files that the simulator writes."""
        return {f"{self.raw}/{task}.csv" for task in (self.simulation or {"rows": {}})["rows"]}

    @property
    def simulated(self) -> bool:
        """Whether any raw file comes from the simulator."""
        return any(s.path in self.simulated_paths for t in self.tasks for s in t.sources)

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """Split seeds of all experiments, sorted."""
        return tuple(sorted({s for e in self.experiments.values() for s in e.split_seeds}))

    def runs(self) -> list[Run]:
        """Every run that some experiment needs, each once."""
        cells = dict.fromkeys(cell for e in self.experiments.values() for cell in e.cells())
        return [self.run(*cell) for cell in cells]

    def run(self, method: str, level: Level, split_seed: int, seed: int) -> Run:
        """One cell of the matrix."""
        m = self.methods[method]
        return Run(
            method=method,
            level=level,
            split_seed=split_seed,
            seed=seed,
            tasks=tuple(t.target() for t in self.tasks),
            parts=m.parts(),
            training=m.training,
            threshold=self.evaluation["threshold"],
            simulated=self.simulated,
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str = "config") -> Study:
        """Read a study from a config.

        Args:
            config: the config's content, defaults not yet filled in.
            source: its name, for messages.

        Raises:
            UserError: the config does not fit the schema, names something that does not exist, or contradicts itself.
        """
        full = validate(config, source)
        tasks = tuple(_task(name, values, source) for name, values in full["tasks"].items())
        methods = {name: _method(name, values, full["training"], source) for name, values in full["methods"].items()}
        experiments = {n: Experiment.from_dict({"name": n, **v}) for n, v in full["experiments"].items()}
        for experiment in experiments.values():
            _check_experiment(experiment, methods, source)
        simulation = full["simulation"]
        if simulation is not None:
            for task in simulation["rows"]:
                if task not in full["tasks"]:
                    known = list(full["tasks"])
                    raise UserError(f"{source}: simulation.rows", f"no task {task!r}.", suggestion(task, known))
        return cls(
            name=full["study"],
            tasks=tasks,
            methods=methods,
            experiments=experiments,
            simulation=simulation,
            data=full["data"],
            split=full["split"],
            evaluation=full["evaluation"],
            paper=full["paper"],
        )

    def to_paper_dict(self) -> dict[str, Any]:
        """What tables, figures and text depend on: no paths of raw files, no runs."""
        methods = {
            m.name: {
                "title": m.title,
                **{kind: {"name": part.name, "options": dict(part.options)} for kind, part in m.parts().items()},
                "training": dict(m.training),
            }
            for m in self.methods.values()
        }
        return {
            "study": self.name,
            "simulated": self.simulated,
            "simulation": self.simulation,
            "tasks": [{k: v for k, v in t.to_dict().items() if k != "sources"} for t in self.tasks],
            "methods": methods,
            "experiments": [asdict(e) for e in self.experiments.values()],
            "data": self.data,
            "split": self.split,
            "evaluation": self.evaluation,
            "paper": self.paper,
        }

    def check_sources(self) -> None:
        """Make sure that every raw file is there or will be simulated.

        Raises:
            UserError: a file is missing; names it, and where to download it.
        """
        for task in self.tasks:
            for number, source in enumerate(task.sources):
                if source.path in self.simulated_paths or Path(source.path).is_file():
                    continue
                key = f"tasks.{task.name}.sources[{number}].path"
                origin = f"get it from {source.url}" if source.url else "put the file there"
                raise UserError(source.path, "this raw file does not exist.", f"{origin}, or set {key} in the config.")


def _task(name: str, values: Mapping[str, Any], source: str) -> Task:
    key = f"{source}: tasks.{name}"
    task = Task.from_dict({**values, "name": name, "title": values.get("title", name.replace("_", " ").capitalize())})
    low, high = task.minimum, task.maximum
    if any(bound is not None and not math.isfinite(bound) for bound in (low, high)):
        raise UserError(key, "minimum or maximum is not a finite number.", "leave it out where there is no bound.")
    if low is not None and high is not None and low > high:
        raise UserError(key, f"minimum {low:g} is above maximum {high:g}.", "correct one of them.")
    if task.is_regression and not task.unit:
        raise UserError(f"{key}.unit", "a regression task needs the unit of the study.", 'add one, such as "GPa".')
    if not task.is_regression and (task.transform != "none" or task.unit):
        raise UserError(key, "a class has neither unit nor transform.", "remove them.")
    for number, item in enumerate(task.sources):
        formula, columns = item.composition["formula"], item.composition["columns"]
        if formula is not None and columns is not None:
            where = f"{key}.sources[{number}].composition"
            raise UserError(where, "both formula and columns are given.", "keep one of them.")
        if not task.is_regression and set(item.classes or {}) and set(item.classes.values()) == {0}:
            raise UserError(f"{key}.sources[{number}].classes", "no cell text maps to class 1.", "add one.")
    return task


def _method(name: str, values: Mapping[str, Any], training: Mapping[str, Any], source: str) -> Method:
    key = f"{source}: methods.{name}"
    parts = {
        kind: Part(kind, values[kind], components.resolve(kind, values[kind], values[f"{kind}_options"], key))
        for kind in FOLDERS
    }
    settings = {**training, **values["training"]}
    return Method(name=name, title=values.get("title", name.replace("_", " ")), training=settings, **parts)


def _check_experiment(experiment: Experiment, methods: Mapping[str, Method], source: str) -> None:
    key = f"{source}: experiments.{experiment.name}"
    for method in experiment.methods:
        if method not in methods:
            raise UserError(f"{key}.methods", f"no method {method!r}.", suggestion(method, list(methods)))
    for number, pair in enumerate(experiment.comparisons):
        for method in pair:
            if method not in experiment.methods:
                hint = suggestion(method, list(experiment.methods))
                raise UserError(f"{key}.comparisons[{number}]", f"{method!r} is not in this experiment.", hint)
        if set(pair) in map(set, experiment.comparisons[:number]):
            what = "this pair is tested already, and a repeated test counts twice in Holm's correction."
            raise UserError(f"{key}.comparisons[{number}]", what, "remove it.")
        if pair[0] == pair[1]:
            raise UserError(f"{key}.comparisons[{number}]", "a method against itself.", "name two methods.")
