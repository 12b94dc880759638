"""Step ``describe``: what the paper is told of a study, as a file that later steps read and people can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alloymtl.files import read_json, write_json


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write ``study`` (JSON): the step's own parameter, with the controls as their own files describe them.

    Args:
        spec: ``Study.to_paper_dict``, of which ``controls`` names the inputs, in order.
        inputs: the ``study`` of each control, by its name.
        outputs: ``study``.
    """
    controls = {name: read_json(inputs[name]) for name in spec.get("controls", ())}
    write_json(outputs["study"], {**spec, "controls": controls})
