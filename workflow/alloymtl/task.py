"""A property to predict, and the raw files that hold it.

Ingestion depends on this module; the reading of configs stands elsewhere, so that a new config key reads no file anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from alloymtl.run import Target


@dataclass(frozen=True)
class Source:
    """One raw file of a task: where it lies and how its columns are to be read."""

    path: str
    label: str
    composition: Mapping[str, Any]
    unit: str | None = None
    classes: Mapping[str, int] | None = None
    id: str | None = None
    encoding: str = "utf-8-sig"
    separator: str = ","
    url: str = ""


@dataclass(frozen=True)
class Task:
    """One property to predict."""

    name: str
    kind: str
    title: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    transform: str = "none"
    positive: str = "positive"
    negative: str = "negative"
    sources: tuple[Source, ...] = ()

    @property
    def is_regression(self) -> bool:
        """Whether a number is predicted, as against the probability of a class."""
        return self.kind == "regression"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Task:
        """The task that ``to_dict`` wrote."""
        sources = tuple(Source(**s) for s in values.get("sources", ()))
        return cls(**{**values, "sources": sources})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, sources included."""
        return asdict(self)

    def to_ingest_dict(self) -> dict[str, Any]:
        """What ingestion depends on: no titles, and no addresses of files."""
        shown = {"title", "positive", "negative"}
        sources = [{k: v for k, v in asdict(s).items() if k != "url"} for s in self.sources]
        return {k: v for k, v in asdict(self).items() if k not in shown} | {"sources": sources}

    def target(self) -> Target:
        """What a training run depends on: no titles, no files."""
        return Target(name=self.name, kind=self.kind, transform=self.transform)
