"""A proposal as YAML with comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from alloymtl.data.elements import check_elements
from alloymtl.data.inspection.headers import task_name
from alloymtl.data.inspection.look import Candidate, Seen, Unread
from alloymtl.data.raw.names import visible
from alloymtl.errors import UserError
from alloymtl.task import Location

ONES = {"1", "true", "yes", "y", "o", "amorphous", "am", "glass", "bmg", "rmg", "metallic glass"}
"""Texts that usually mean the positive class, in lower case."""
COMMENT = 1000  # characters
LONGEST_CLASS = 100


def block(found: Sequence[Seen | Unread]) -> str:
    """The config's ``data`` and ``tasks`` for what was seen.

    Every column that may be a label becomes a task, with what was seen of it; columns of numbers without a known unit,
    and tables without a composition, are told of in comments.
    """
    tasks: dict[str, tuple[list[str], list[list[str]]]] = {}
    comments: list[str] = []
    for seen in found:
        comments += (visible(line, COMMENT) for line in _about(seen))
        if isinstance(seen, Unread):
            continue
        if seen.composition is not None:
            for candidate in seen.candidates:
                if candidate.classes or candidate.unit:
                    _add(tasks, seen, candidate)
    if not tasks:
        return (
            "\n".join([*comments, "# No task can be proposed: no column beside a composition may be a label."]) + "\n"
        )
    lines = ["# A proposal: keep the tasks that you want, and check units, bases and classes.", "study: mine"]
    lines += [*_data([seen for seen in found if isinstance(seen, Seen)]), "tasks:"]
    for name, (head, sources) in tasks.items():
        lines += [f"  {name}:", *(f"    {line}" for line in head), "    sources:"]
        lines += [f"      {line}" for source in sources for line in source]
    return "\n".join([*comments, *lines]) + "\n"


def _add(tasks: dict[str, tuple[list[str], list[list[str]]]], seen: Seen, candidate: Candidate) -> None:
    """Give a candidate to the task of its name, a new one where the present one is of another kind or unit."""
    head = _head(candidate)
    name = wanted = task_name(candidate.header)
    number = 1
    while name in tasks and tasks[name][0] != head:
        number += 1
        name = f"{wanted}_{number}"
    tasks.setdefault(name, (head, []))[1].append(list(_source(seen, candidate)))


def _head(candidate: Candidate) -> list[str]:
    if candidate.classes:
        return ["kind: classification"]
    return ["kind: regression", f"unit: {_text(candidate.unit)}"]


def _source(seen: Seen, candidate: Candidate) -> Iterator[str]:
    if candidate.classes:
        # A key of YAML is at most 1,024 characters long; a text of that length is no class.
        classes = {name: int(name.lower() in ONES) for name in candidate.classes if len(name) <= LONGEST_CLASS}
        counts = ", ".join(f"{visible(name, LONGEST_CLASS)}: {n}" for name, n in candidate.classes.items())
        yield visible(f"# {candidate.rows} of {seen.rows} rows; {counts}. Which of them are 1 is a guess.", COMMENT)
        if classes and not any(classes.values()):
            classes[next(iter(classes))] = 1
    else:
        guess = ". The unit is a guess." if candidate.is_guess else ""
        yield f"# {candidate.rows} of {seen.rows} rows, {candidate.low:g} to {candidate.high:g}{guess}"
    yield f"- path: {_text(seen.location.path)}"
    for item in fields(Location):
        value = getattr(seen.location, item.name)
        if item.name != "path" and value != item.default:
            yield f"  {item.name}: {_text(value)}"
    yield f"  label: {_text(candidate.header)}"
    if candidate.classes:
        yield f"  classes: {_flow(classes)}"
    if seen.identifier:
        yield f"  id: {_text(seen.identifier)}"
    yield f"  composition: {_flow(seen.composition)}" + (f"  # {seen.doubt}" if seen.doubt else "")


def _data(found: Sequence[Seen]) -> Iterator[str]:
    elements = list(dict.fromkeys(element for seen in found for element in seen.elements))
    kept: list[str] = []
    left: list[str] = []
    for element in elements:
        try:
            check_elements([*kept, element], "")
            kept.append(element)
        except UserError:
            left.append(element)
    if len(kept) < 2:
        return
    yield "data:"
    yield f"  elements: [{', '.join(_text(e) for e in kept)}]"
    if left:
        yield f"  # No table values, and so no descriptors, for {', '.join(left)}: their alloys are rejected."
        yield "  other_elements: reject"


def _about(seen: Seen | Unread) -> Iterator[str]:
    sheet = f", sheet {seen.location.sheet}" if seen.location.sheet else ""
    member = f", {seen.location.member}" if seen.location.member else ""
    where = f"# {seen.location.path}{member}{sheet}"
    if isinstance(seen, Unread):
        yield f"{where}: not read. {seen.why}"
        return
    header = f", names in row {seen.location.header}" if seen.location.header > 1 else ""
    yield f"{where}: {seen.rows} rows ({seen.how}{header})"
    if seen.composition is None:
        yield "#   no composition was recognised; if another table holds it, see composition.table in config/README.md"
    unknown = [c for c in seen.candidates if not c.classes and not c.unit]
    if unknown:
        shown = "; ".join(f"{c.header} ({c.rows} rows, {c.low:g} to {c.high:g})" for c in unknown)
        yield f"#   numbers without a known unit: {shown}"
    if seen.composition is None:
        known = [c.header for c in seen.candidates if c.classes or c.unit]
        if known:
            yield f"#   columns that may be labels: {'; '.join(known)}"


def _text(value: Any) -> str:
    """A scalar of YAML; quoted where it would be read as something else."""
    if isinstance(value, str) and value.isascii() and value.replace("_", "").replace(" ", "").isalpha():
        return (
            value
            if value.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
            else f'"{value}"'
        )
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    return _text(value)
