"""Step ``describe``: what the paper is told of a study, as a file that later steps read and people can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alloymtl.files import write_json


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write ``study`` (JSON): the step's own parameter."""
    write_json(outputs["study"], spec)
