"""What a published paper reports: its tables, and its claims with the rules that judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from alloymtl.errors import UserError

NUMBERS = ("mean", "std", "delta", "p_value")
TEXTS = ("table", "row", "method", "level", "task", "metric", "baseline", "source", "text")
MEND = "correct the file of reported numbers (paper/reported/README.md names its columns)."


@dataclass(frozen=True)
class Claim:
    """A statement of the paper in our words, what it reports, and the rule that judges it."""

    id: str
    statement: str
    section: str
    reported: str
    rule: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class Claims:
    """All claims of a paper, and the facts of its set-up that checks need.

    ``source`` is its name, ``replicates`` the number of runs behind its means, ``batch_size`` that of its training and
    ``size_margin`` the share of a claimed size by which a reproduction may miss it and leave the claim open.
    """

    source: str
    replicates: int
    batch_size: int
    size_margin: float
    claims: tuple[Claim, ...]


def read_tables(path: Path) -> pd.DataFrame:
    """The printed tables, one number or text a row.

    Returns:
        The columns ``TEXTS`` as text, ``NUMBERS`` as printed and, for mean, std and delta, ``<name>_value`` as a number
        (NaN where none is printed) and ``<name>_half`` as half a unit of its last printed digit.

    Raises:
        UserError: the file cannot be read, lacks a column, or holds text in the place of a number.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as damage:
        raise UserError(str(path), f"not readable as a table ({damage}).", MEND) from None
    missing = [name for name in (*TEXTS, *NUMBERS) if name not in table]
    if missing:
        raise UserError(str(path), f"column {missing[0]!r} is missing.", MEND)
    for name in ("mean", "std", "delta"):
        try:
            table[f"{name}_value"] = pd.to_numeric(table[name].replace("", None)).astype(float)
        except ValueError as damage:
            raise UserError(f"{path}: column {name}", f"not a number ({damage}).", MEND) from None
        digits = table[name].str.partition(".")[2].str.len()
        table[f"{name}_half"] = np.where(table[name] != "", 0.5 * 10.0**-digits, np.nan)
    return table


def read_claims(path: Path) -> Claims:
    """The claims of a paper.

    Raises:
        UserError: the file is missing or no YAML, lacks a key, has an unknown one, or names a claim twice.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(str(path), "this file of claims does not exist.", "correct paper.reported.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UserError(where, "this is not YAML.", "look at that line and the one before it.") from None
    _keys(content, {"source", "replicates", "batch_size", "size_margin", "claims"}, str(path))
    claims = []
    for values in content["claims"]:
        where = f"{path}: {values.get('id', 'a claim without an id') if isinstance(values, dict) else values}"
        _keys(values, {"id", "statement", "section", "reported", "rule"}, where)
        if not isinstance(values["rule"], dict) or "kind" not in values["rule"]:
            raise UserError(where, "its rule names no kind.", "add one.")
        if values["id"] in [c.id for c in claims]:
            raise UserError(where, "this claim stands there twice.", "give each an id of its own.")
        claims.append(Claim(**{**values, "section": str(values["section"])}, where=where))
    named = {key: value for key, value in content.items() if key != "claims"}
    return Claims(**named, claims=tuple(claims))


def _keys(values: Any, wanted: set[str], where: str) -> None:
    """Make sure that a mapping has these keys and no others."""
    if not isinstance(values, dict):
        raise UserError(where, "this is no mapping of keys.", "write key: value lines.")
    if wrong := sorted(wanted ^ set(values)):
        word = "unknown key" if wrong[0] in values else "there is no key"
        raise UserError(where, f"{word} {wrong[0]!r}.", f"it has {', '.join(sorted(wanted))}.")
