"""The words of the project as typed objects, read from a validated config.

Every object turns into plain JSON (``to_dict``) and back (``from_dict``): a rule hands a step exactly the part of the
study that decides its output, as one parameter, so that nothing else can make it run again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from alloymtl.config import of_control, validate
from alloymtl.data.raw.places import files
from alloymtl.errors import UserError, suggestion
from alloymtl.experiment import AFFINITY, BENEFIT, TASKONOMY, Experiment
from alloymtl.method import Method, check_distinct
from alloymtl.run import Level, Run
from alloymtl.task import Location, Task

MIN_LEVEL = 10
"""Labels of the largest task below which there is nothing to split."""


@dataclass(frozen=True)
class Study:
    """One configuration, one set of raw files, one paper; or a control study, which has no paper of its own.

    Attributes:
        root: folder of all that is generated, relative to the working directory.
        data_root: folder whose ``data/`` holds the alloys and features; a control may read those of its study.
        raw: folder of simulated raw files; likewise.
        simulated_paths: raw files that the simulator writes, for this study or the one that it belongs to.
        records: which of its shipped records are verified (``sample``, ``seed``).
        controls: control studies by name.
    """

    name: str
    root: str
    data_root: str
    raw: str
    tasks: tuple[Task, ...]
    methods: Mapping[str, Method]
    experiments: Mapping[str, Experiment]
    simulation: Mapping[str, Any] | None
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    diagnostics: Mapping[str, Any]
    paper: Mapping[str, Any]
    records: Mapping[str, Any]
    simulated_paths: frozenset[str]
    controls: Mapping[str, Study] = field(default_factory=dict)
    title: str = ""

    @property
    def simulates(self) -> bool:
        """Whether raw files are written for it: a control may take those of its study."""
        return self.simulation is not None and self.raw.startswith(f"{self.root}/")

    @property
    def ingests(self) -> bool:
        """Whether it has alloys and features of its own: a control may take those of its study."""
        return self.data_root == self.root

    @property
    def simulated(self) -> bool:
        """Whether any raw file comes from the simulator."""
        return any(s.path in self.simulated_paths for t in self.tasks for s in t.sources)

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """Split seeds of all experiments, sorted."""
        return tuple(sorted({s for e in self.experiments.values() for s in e.split_seeds}))

    @property
    def trained(self) -> list[Method]:
        """The methods that some experiment needs, in the config's order."""
        needed = {name for e in self.experiments.values() for name in e.methods}
        return [method for name, method in self.methods.items() if name in needed]

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
            parts=m.parts,
            training=m.training,
            diagnostics=m.diagnostics,
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
        folder = f"results/{full['study']}"
        study = _read(full, source, full["study"], folder, folder, f"{folder}/raw")
        made = [(study, full)]
        for name in full["controls"]:
            control, its = _control(made, of_control(config, name), name, source)
            made.append((replace(control, title=full["controls"][name].get("title", name)), its))
        return replace(study, controls={control.name: control for control, _ in made[1:]})

    def to_paper_dict(self) -> dict[str, Any]:
        """What tables, figures and text depend on: no paths of raw files, no runs, no methods that never run."""
        methods = {
            m.name: {
                "title": m.title,
                **{kind: {"name": part.name, "options": dict(part.options)} for kind, part in m.parts.items()},
                "training": dict(m.training),
            }
            for m in self.trained
        }
        return {
            "study": self.name,
            "title": self.title,
            "simulated": self.simulated,
            "simulation": self.simulation,
            "tasks": [{k: v for k, v in t.to_dict().items() if k != "sources"} for t in self.tasks],
            "methods": methods,
            "experiments": [asdict(e) for e in self.experiments.values()],
            "data": self.data,
            "split": self.split,
            "evaluation": self.evaluation,
            "diagnostics": self.diagnostics,
            "twins": self.evaluation["twins"],
            "paper": self.paper,
            "reported": self.paper["reported"],
            "controls": {name: control.to_paper_dict() for name, control in self.controls.items()},
        }

    def check_sources(self) -> None:
        """Make sure that every raw file, those of the controls included, is there or will be simulated.

        Raises:
            UserError: a file is missing; names it, and where to download it.
        """
        for task in self.tasks:
            for number, source in enumerate(task.sources):
                for location, part in zip(source.locations, ("", ".composition.table"), strict=False):
                    if location.path not in self.simulated_paths and not files(location.path):
                        key = f"tasks.{task.name}.sources[{number}]{part}.path"
                        raise UserError(
                            location.path, _absent(location), f"{_origin(location)}, or set {key} in the config."
                        )
        for control in self.controls.values():
            control.check_sources()

    def raw_files(self) -> list[str]:
        """The files that its tasks are read from, those behind folders and patterns too, each once."""
        paths = dict.fromkeys(
            where.path for task in self.tasks for source in task.sources for where in source.locations
        )
        found = {path: [path] if path in self.simulated_paths else files(path) for path in paths}
        return list(dict.fromkeys(file for behind in found.values() for file in behind))


def _absent(location: Location) -> str:
    if Path(location.path).is_dir():
        return "this folder holds no file that can be read as a table."
    if any(mark in location.path for mark in "*?["):
        return "no file fits this pattern."
    return "this raw file does not exist."


def _origin(location: Location) -> str:
    return f"get it from {location.url}" if location.url else "put the file there"


def _read(full: Mapping[str, Any], source: str, name: str, root: str, data_root: str, raw: str) -> Study:
    """A study without its controls, from a config whose defaults are filled in."""
    simulation = full["simulation"]
    for task in simulation["rows"] if simulation else ():
        if task not in full["tasks"]:
            raise UserError(f"{source}: simulation.rows", f"no task {task!r}.", suggestion(task, list(full["tasks"])))
    tasks = tuple(_task(task, values, simulation, raw, source) for task, values in full["tasks"].items())
    seeds = {key: full[key] for key in ("seeds", "split_seeds")}
    experiments = {
        n: Experiment.from_dict({"name": n, **v, **{key: v[key] or seeds[key] for key in seeds}})
        for n, v in full["experiments"].items()
    }
    if AFFINITY not in experiments:
        for asking in (BENEFIT, TASKONOMY):
            if asking in experiments:
                what = f"its tasks are set beside the gradients of {AFFINITY!r}, and there is no such experiment."
                raise UserError(f"{source}: experiments.{asking}", what, f"add {AFFINITY!r}; config/README.md has it.")
    elif not experiments[AFFINITY].keeps("cosines"):
        what = "nothing is kept of its gradients."
        raise UserError(f"{source}: experiments.{AFFINITY}.keep", what, "write [cosines].")
    measured = {m for e in experiments.values() if e.measures_gradients for m in e.methods}
    methods = {
        n: Method.from_config(n, values, full["training"], full["diagnostics"] if n in measured else {}, source)
        for n, values in full["methods"].items()
    }
    check_distinct(methods.values(), source)
    for experiment in experiments.values():
        _check_experiment(experiment, methods, source)
        _check_levels(experiment, simulation, full["split"]["labels"], source)
    for number, pair in enumerate(full["evaluation"]["twins"]):
        for method in pair:
            _check_method(method, methods, f"{source}: evaluation.twins[{number}]")
    rest = {key: full[key] for key in ("data", "split", "evaluation", "diagnostics", "paper", "records")}
    written = frozenset(f"{raw}/{task}.csv" for task in (simulation["rows"] if simulation else ()))
    return Study(name, root, data_root, raw, tasks, methods, experiments, simulation, **rest, simulated_paths=written)


def _control(
    made: Sequence[tuple[Study, Mapping[str, Any]]], config: Mapping[str, Any], name: str, source: str
) -> tuple[Study, Mapping[str, Any]]:
    """A control study and its config; where its data are those of its study, or of an earlier control, it reads theirs.

    Args:
        made: the study that it belongs to and the controls before it, each with its config, defaults filled in.
        config: the control's, laid over that of the study.
        name: the control's.
        source: name of the config, for messages.
    """
    source = f"{source}: controls.{name}"
    full = validate(config, source)
    folder = f"{made[0][0].root}/controls/{name}"
    # Simulated raw files follow from the simulation alone; alloys and features from the tasks and `data` as well.
    lender = next((one for one, its in made if its["simulation"] == full["simulation"]), None)
    raw = f"{folder}/raw" if lender is None else lender.raw
    same = ("simulation", "tasks", "data")
    owner = next((one for one, its in made if all(its[key] == full[key] for key in same)), None)
    control = _read(full, source, name, folder, folder if owner is None else owner.data_root, raw)
    if control.simulation is not None and lender is None and not control.simulated:
        what = "no task reads the files that it writes."
        raise UserError(f"{source}: simulation", what, "leave the tasks' sources out, or this key.")
    known = frozenset().union(*(one.simulated_paths for one, _ in made))
    return replace(control, simulated_paths=control.simulated_paths | known), full


def _simulated_source(task: str, kind: str, simulation: Mapping[str, Any], raw: str) -> dict[str, Any]:
    """The file that the simulator writes for a task, as a user would describe it in the config."""
    # Imported here, with pandas, for the studies that have such a task.
    from alloymtl.data.simulate.settings import PROPERTIES, Settings
    from alloymtl.data.simulate.tables import header

    settings = Settings.from_spec(simulation)
    unit = simulation.get(f"{task}_unit", PROPERTIES[task].unit)
    return {
        "path": f"{raw}/{task}.csv",
        "label": header(task, settings),
        "unit": unit if kind == "regression" else None,
        "classes": {"O": 1, "X": 0} if simulation["boolean"] == "O/X" else {"0": 0, "1": 1},
        "id": "sample",
        "encoding": simulation["encoding"],
        "separator": ",",
        "decimal": ".",
        "composition": {"basis": "at.%", "formula": None, "columns": None, "lists": None, "table": None},
    }


def _task(name: str, values: Mapping[str, Any], simulation: Mapping[str, Any] | None, raw: str, source: str) -> Task:
    key = f"{source}: tasks.{name}"
    if "sources" not in values:
        if simulation is None or name not in simulation["rows"]:
            raise UserError(key, "the key 'sources' is missing.", "add its raw files, or a number to simulation.rows.")
        values = {**values, "sources": [_simulated_source(name, values["kind"], simulation, raw)]}
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
        given = [name for name in ("formula", "columns", "lists") if item.composition.get(name) is not None]
        if len(given) > 1:
            where = f"{key}.sources[{number}].composition"
            raise UserError(where, f"both {given[0]} and {given[1]} are given.", "keep one of them.")
        if not task.is_regression and set(item.classes or {}) and set(item.classes.values()) == {0}:
            raise UserError(f"{key}.sources[{number}].classes", "no cell text maps to class 1.", "add one.")
    return task


def _check_method(name: str, methods: Mapping[str, Method], key: str) -> None:
    if name not in methods:
        raise UserError(key, f"no method {name!r}.", suggestion(name, list(methods)))


def _check_levels(
    experiment: Experiment, simulation: Mapping[str, Any] | None, labels: Mapping[str, Any], source: str
) -> None:
    """No level is out of range; how many rows a measured table has to be kept, only the training jobs know."""
    least, most, mend = MIN_LEVEL, math.inf, "raise it, or write all."
    what = f"a level is how many labels of the largest task are kept, {MIN_LEVEL} at least"
    if labels["kind"] == "kept":
        least, most, mend = 1, 100, "write 1 to 100."
        what = "with split.labels.kind kept, a level is the percentage of labels that stay"
    elif labels["kind"] != "all":
        least, most, mend = 0, labels["rows"], "change it, or split.labels.rows."
        what = f"a level is how many of a task's {labels['rows']} labels (split.labels.rows) all tasks have in common"
    elif simulation is not None:
        most = max(simulation["rows"].values())
        if any(level != "all" and int(level) > most for level in experiment.levels):
            what = f"the largest simulated task has {most} rows"
            mend = "lower the level, or raise simulation.rows."
    for level in experiment.levels:
        # Where a level is an overlap, all labels are at no level: they would make another one.
        if (labels["kind"] != "all") if level == "all" else not least <= int(level) <= most:
            raise UserError(f"{source}: experiments.{experiment.name}.levels", f"{what}, and not {level}.", mend)


def _check_experiment(experiment: Experiment, methods: Mapping[str, Method], source: str) -> None:
    key = f"{source}: experiments.{experiment.name}"
    if len(experiment.replicates()) < 2:
        what = "one seed and one split seed: there is no interval of a single run."
        raise UserError(f"{key}.seeds", what, "add a seed here or to split_seeds.")
    for method in experiment.methods:
        _check_method(method, methods, f"{key}.methods")
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
