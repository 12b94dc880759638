"""One training job as a typed object: all that decides its numbers, and nothing else.

This module is small and stands apart from ``study`` on purpose: training depends on it, so an edit here retrains every
run, while titles, experiments and the reading of configs may change without retraining any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alloymtl.literals import constants

PACKAGE = Path(__file__).parent
Level = int | str
PARTITIONS = ("train", "validation", "test")
FOLDERS = {
    "architecture": "methods/architectures",
    "loss": "methods/losses",
    "smoothing": "methods/smoothing",
    "balancer": "methods/balancers",
    "sampler": "methods/samplers",
    "optimiser": "methods/optimisers",
}
REFERENCE_FOLDERS = {"architecture": "networks", "loss": "losses", "optimiser": "optimisers"}
"""Where the reference engine has its modules for the forms of a kind of part."""


def run_folder(method: str, level: Level, split_seed: int, seed: int) -> str:
    """Folder of a run below ``runs/``."""
    return f"{method}/level-{level}/split-{split_seed}/seed-{seed}"


def engine_module(training: Mapping[str, Any]) -> str:
    """Dotted module of the engine that training settings ask for."""
    return f"alloymtl.training.{training['engine']}.engine"


def modules(parts: Mapping[str, Part], training: Mapping[str, Any]) -> list[str]:
    """Dotted modules that a method asks for by name: its parts, its engine, and what the engine computes them by.

    The reference engine has a module for each form of network, loss and optimiser, of which a method needs one each.

    Args:
        parts: by kind.
        training: settings of the training loop.
    """
    found = [*(part.module for part in parts.values()), engine_module(training)]
    if training["engine"] == "reference":
        found += [reference_module(folder, parts[kind]) for kind, folder in REFERENCE_FOLDERS.items()]
    return found


def reference_module(folder: str, part: Part) -> str:
    """Dotted module by which the reference engine computes a part, in one of ``REFERENCE_FOLDERS``."""
    return f"alloymtl.training.reference.{folder}.{part.form}"


@dataclass(frozen=True)
class Target:
    """A task as training sees it."""

    name: str
    kind: str
    transform: str

    @property
    def is_regression(self) -> bool:
        """Whether a number is predicted, as against the probability of a class."""
        return self.kind == "regression"


@dataclass(frozen=True)
class Part:
    """A part of a method by name, with its options in full."""

    kind: str
    name: str
    options: Mapping[str, Any]

    @property
    def module(self) -> str:
        """Dotted module, for example ``alloymtl.methods.balancers.inverse_size``."""
        return f"alloymtl.{FOLDERS[self.kind].replace('/', '.')}.{self.name}"

    @property
    def form(self) -> str:
        """The form that its file states, for example ``squared`` of a loss; empty where it states none."""
        return constants(PACKAGE / FOLDERS[self.kind] / f"{self.name}.py").get("FORM", "")


@dataclass(frozen=True)
class Run:
    """One training job: method x level x split seed x seed.

    ``diagnostics`` names what is measured along the way, with its settings; it changes no step that is taken.
    """

    method: str
    level: Level
    split_seed: int
    seed: int
    tasks: tuple[Target, ...]
    parts: Mapping[str, Part]
    training: Mapping[str, Any]
    diagnostics: Mapping[str, Any]
    threshold: float
    simulated: bool

    @property
    def folder(self) -> str:
        """Its folder below ``runs/``."""
        return run_folder(self.method, self.level, self.split_seed, self.seed)

    def modules(self) -> list[str]:
        """Dotted modules that the run asks for by name (see the function of that name)."""
        return modules(self.parts, self.training)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the parameter of a rule and for the run record."""
        return {
            "method": self.method,
            "level": self.level,
            "split_seed": self.split_seed,
            "seed": self.seed,
            "tasks": [asdict(t) for t in self.tasks],
            **{kind: {"name": part.name, "options": dict(part.options)} for kind, part in self.parts.items()},
            "training": dict(self.training),
            "diagnostics": dict(self.diagnostics),
            "threshold": self.threshold,
            "simulated": self.simulated,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Run:
        """The run that ``to_dict`` wrote."""
        return cls(
            method=values["method"],
            level=values["level"],
            split_seed=values["split_seed"],
            seed=values["seed"],
            tasks=tuple(Target(**t) for t in values["tasks"]),
            parts={kind: Part(kind, **values[kind]) for kind in FOLDERS},
            training=values["training"],
            diagnostics=values["diagnostics"],
            threshold=values["threshold"],
            simulated=values["simulated"],
        )
