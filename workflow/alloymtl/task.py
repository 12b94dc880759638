"""A property to predict, and the raw files that hold it.

Ingestion depends on this module; the reading of configs stands elsewhere, so that a new config key reads no file anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from alloymtl.run import Target


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where raw rows lie, and how their text is to be read; what is None is found.

    Attributes:
        path: a file, a folder, or a pattern with ``*``; archives are looked into.
        member: pattern of the files in a folder or an archive; None: every table there.
        sheet: of a workbook.
        decimal: ``.`` or ``,``.
        header: row of the column names in text and sheets.
        url: where to download it, said when it is missing.
    """

    path: str
    member: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    header: int = 1
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Source(Location):
    """Raw rows of a task: where they lie and how their columns are to be read."""

    label: str
    composition: Mapping[str, Any]
    unit: str | None = None
    classes: Mapping[str, int] | None = None
    id: str | None = None

    @property
    def locations(self) -> tuple[Location, ...]:
        """All that is read for it: its own rows, and the table of compositions where that is another one."""
        table = self.composition.get("table")
        return (self,) if table is None else (self, composition_location(table))


def composition_location(table: Mapping[str, Any]) -> Location:
    """Where a table of compositions lies, from a source's ``composition.table``."""
    return Location(**{key: value for key, value in table.items() if key != "match"})


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
        sources = [_without_urls(asdict(s)) for s in self.sources]
        return {k: v for k, v in asdict(self).items() if k not in shown} | {"sources": sources}

    def target(self) -> Target:
        """What a training run depends on: no titles, no files."""
        return Target(name=self.name, kind=self.kind, transform=self.transform)


def _without_urls(source: Mapping[str, Any]) -> dict[str, Any]:
    """A source as plain values, without the addresses of its files."""
    composition, table = dict(source["composition"]), source["composition"].get("table")
    if table is not None:
        composition["table"] = {key: value for key, value in table.items() if key != "url"}
    return {key: value for key, value in source.items() if key != "url"} | {"composition": composition}
