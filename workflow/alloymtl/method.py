"""A method as a config names it: its parts, and the training settings it runs with."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alloymtl import components, engines
from alloymtl.errors import UserError
from alloymtl.run import FOLDERS, Part, modules

GRADIENTS = "gradients"


@dataclass(frozen=True)
class Method:
    """Architecture x loss x smoothing x balancer x sampler, and the training settings it runs with.

    ``diagnostics`` names what is measured in each of its runs, with its settings.
    """

    name: str
    title: str
    parts: Mapping[str, Part]
    training: Mapping[str, Any]
    diagnostics: Mapping[str, Any]

    def modules(self) -> list[str]:
        """Dotted modules that its runs ask for by name: its parts, its engine, and what the engine needs for them."""
        return modules(self.parts, self.training)

    def extras(self) -> tuple[str, ...]:
        """Files that its parts and its diagnostics add to a run's folder, without their ending."""
        of_parts = (name for kind, part in self.parts.items() for name in components.extras(kind, part.name))
        return (*of_parts, *self.diagnostics)

    @classmethod
    def from_config(
        cls,
        name: str,
        values: Mapping[str, Any],
        training: Mapping[str, Any],
        diagnostics: Mapping[str, Any],
        source: str,
    ) -> Method:
        """Read one entry of the config's ``methods``, defaults filled in.

        Args:
            name: its key.
            values: its content.
            training: the study's settings, under those of the method.
            diagnostics: what is measured in its runs.
            source: name of the config, for messages.

        Raises:
            UserError: a part or an option does not exist, parts do not go together, the engine does not know a part,
                or what is to be measured is not there.
        """
        key = f"{source}: methods.{name}"
        parts = {
            kind: Part(kind, values[kind], components.resolve(kind, values[kind], values[f"{kind}_options"], key))
            for kind in FOLDERS
        }
        components.check_together(parts, key)
        architecture = parts["architecture"].name
        if GRADIENTS in diagnostics and not components.shares(architecture):
            what = f"an experiment keeps its gradients, and architecture {architecture!r} shares no parameters."
            raise UserError(key, what, "leave the method out of that experiment.")
        title = values.get("title", name.replace("_", " "))
        settings = {**training, **values["training"]}
        settings["engine"] = engines.chosen(settings, parts, key)
        return cls(name, title, parts, engines.without_default_device(settings), diagnostics)


def check_stages(methods: Iterable[Method], tasks: Sequence[str], source: str) -> None:
    """Make sure that each architecture knows what to train with its options.

    Args:
        methods: to train.
        tasks: names of the study's tasks.
        source: name of the config, for messages.

    Raises:
        UserError: an option does not fit the tasks; names the method.
    """
    for method in methods:
        part = method.parts["architecture"]
        try:
            importlib.import_module(part.module).stages(tasks, np.ones(len(tasks), dtype=np.int64), part.options)
        except UserError as mistake:
            where = f"{source}: methods.{method.name}.{mistake.where}"
            raise UserError(where, mistake.what, mistake.mend) from None


def check_distinct(methods: Iterable[Method], source: str) -> None:
    """Make sure that no two methods train the same thing.

    Raises:
        UserError: two have equal parts, options and settings; names both.
    """
    seen: list[Method] = []
    for method in methods:
        for other in seen:
            if (method.parts, method.training) == (other.parts, other.training):
                what = f"it is the same as {other.name!r} in all but its name, and would be trained twice."
                raise UserError(f"{source}: methods.{method.name}", what, "remove one of them.")
        seen.append(method)
