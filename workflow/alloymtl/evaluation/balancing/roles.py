"""Which part a method plays in an experiment on balancing: told by what it is made of, and never by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alloymtl.literals import constants
from alloymtl.run import FOLDERS, PACKAGE

EXPERIMENT = "balancing"
"""The experiment on balancing."""
NORMS = "imbalance_norms"
"""The experiment that keeps the norms of gradients."""

Made = Mapping[str, Any]
"""A method as a study is described to steps: ``{"name": ..., "options": ...}`` by kind of part."""
Role = Callable[[Made], bool]


def is_independent(method: Made) -> bool:
    """A network of its own for each task."""
    return method["architecture"]["name"] == "independent"


def is_baseline(method: Made) -> bool:
    """The plain baseline of a sampler: hard sharing, losses summed as they are, plain Adam."""
    return _hard(method, "none")


def is_grid_search(method: Made) -> bool:
    """Constant weights found by a grid search."""
    return _hard(method, "grid_search")


def is_gradient_norm(method: Made) -> bool:
    """Scaling by gradient norms as arXiv:2509.23915 has it: at the last shared layer, of each step alone."""
    return _hard(method, "gradient_norm") and method["balancer"]["options"].get("smoothing", 0) == 0


def sampler(method: Made) -> str:
    """Name of a method's sampler."""
    return method["sampler"]["name"]


def family(balancer: str) -> str:
    """What a balancer's direction has in common with that of others, as its file states; empty where nothing."""
    return constants(PACKAGE / FOLDERS["balancer"] / f"{balancer}.py").get("FAMILY", "")


def find(names: Iterable[str], methods: Mapping[str, Made], role: Role, of_sampler: str | None = None) -> str | None:
    """The first of some methods that plays a role, under a sampler if one is named; None where none does."""
    return next(
        (n for n in names if role(methods[n]) and of_sampler in (None, sampler(methods[n]))),
        None,
    )


def samplers(names: Iterable[str], methods: Mapping[str, Made]) -> list[str]:
    """Samplers under which some methods share parameters between tasks, in the order of the methods."""
    return list(dict.fromkeys(sampler(methods[n]) for n in names if not is_independent(methods[n])))


def _hard(method: Made, balancer: str) -> bool:
    parts = {"architecture": "hard", "loss": "mse", "smoothing": "none", "balancer": balancer, "optimiser": "adam"}
    return all(method[kind]["name"] == name for kind, name in parts.items())
