"""Reading and checking a config: what it includes, no unknown key, defaults filled in, every mistake in one line."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from alloymtl.errors import UserError, suggestion

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
INCLUDE = "include"
# Sections of named things: null in the place of one removes what an included file, or a control's study, has there.
REMOVABLE = ("methods", "experiments", "controls")
# What a control gives of these stands in the place of its study's; of every other section it changes single keys.
REPLACED = ("tasks", "experiments", "simulation")


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a study's config."""
    # Every process of Snakemake reads it. The fast loader words mistakes less well than the one for configs below.
    return yaml.load(SCHEMA.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once; plain YAML lets the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: str | Path) -> dict[str, Any]:
    """The content of a config file laid over what it includes, not yet validated.

    Raises:
        UserError: the file or one that it includes is missing or empty, is not YAML (names the line), includes itself,
            or removes what nothing includes.
    """
    return _read(Path(path), ())


def combine(paths: Iterable[str | Path], config: Mapping[str, Any]) -> dict[str, Any]:
    """The content of several config files, each laid over those before it, and under all that Snakemake knows.

    Args:
        paths: the files that Snakemake has read.
        config: their own keys and those of the command line, as Snakemake has put them together.

    Raises:
        UserError: see ``read``.
    """
    content: dict[str, Any] = {}
    for path in paths:
        content = merge(content, read(path))
    return merge(content, {key: value for key, value in config.items() if key != INCLUDE})


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` laid over ``base``: mappings are merged key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def of_control(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The config of a control study: its own sections laid over those of the study that it belongs to."""
    own = {key: value for key, value in config["controls"][name].items() if key != "title"}
    kept = {k: v for k, v in config.items() if k != "controls" and not (k in REPLACED and k in own)}
    return merge(kept, own)


def _read(path: Path, includers: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in [p.resolve() for p in includers]:
        chain = " -> ".join(str(p) for p in (*includers, path))
        raise UserError(str(includers[-1]), f"this config includes itself ({chain}).", f"remove {path.name!r}.")
    own = _load(path, includers[-1] if includers else None)
    files = own.pop(INCLUDE, [])
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        raise UserError(f"{path}: {INCLUDE}", "this is not a list of files.", "write it as in [paper.yaml].")
    included: dict[str, Any] = {}
    for name in files:
        included = merge(included, _read(path.parent / name, (*includers, path)))
    for section in REMOVABLE:
        known = _named(included, section)
        for name, value in _named(own, section).items():
            if value is None and name not in known:
                what = "it is empty, which removes an included one, and nothing of that name is included."
                raise UserError(f"{path}: {section}.{name}", what, suggestion(str(name), list(known)))
    return merge(included, own)


def _named(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """A section of named things; none where it is missing or, which the schema refuses, holds something else."""
    found = config.get(section)
    return found if isinstance(found, Mapping) else {}


def _load(path: Path, includer: Path | None) -> dict[str, Any]:
    """The content of one file."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError:
        mend = "correct the path." if includer is None else f"correct the path in {includer}, key {INCLUDE!r}."
        raise UserError(str(path), "this config does not exist.", mend) from None
    except UnicodeDecodeError:
        raise UserError(str(path), "this config is not UTF-8 text.", "save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        what = f"this is not YAML: {getattr(error, 'problem', None) or error}."
        raise UserError(where, " ".join(what.split()), "look at that line and the one before it.") from None
    if not isinstance(content, dict):
        raise UserError(str(path), "this config holds no keys.", "config/README.md has an example.")
    return content


def _with_defaults(value: Any, rule: Mapping[str, Any]) -> Any:
    """A copy of ``value`` in which every key that the schema gives a default for is present."""
    if isinstance(value, Mapping):
        filled = dict(value)
        for key, part in rule.get("properties", {}).items():
            if key not in filled and "default" in part:
                filled[key] = copy.deepcopy(part["default"])
            if key in filled:
                filled[key] = _with_defaults(filled[key], part)
        extra = rule.get("additionalProperties")
        if isinstance(extra, Mapping):
            named = set(rule.get("properties", {}))
            filled = {k: v if k in named else _with_defaults(v, extra) for k, v in filled.items()}
        return filled
    if isinstance(value, list) and isinstance(rule.get("items"), Mapping):
        return [_with_defaults(item, rule["items"]) for item in value]
    return value


def _dotted(path: list[Any]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _text_keys(value: Any, source: str, path: list[Any]) -> Any:
    """A copy in which every key is text; YAML also knows numbers and booleans as keys.

    A number under ``classes`` stands for a cell with that number. Whether ``yes`` was meant as text nobody can tell.
    """
    if isinstance(value, list):
        return [_text_keys(item, source, [*path, number]) for number, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    copied = {}
    for key, item in value.items():
        if isinstance(key, int) and not isinstance(key, bool) and path and path[-1] == "classes":
            key = str(key)
        if not isinstance(key, str):
            shown = f"{source}: {_dotted(path)}" if path else source
            raise UserError(shown, f"the key {key!r} is not text.", "put it in quotation marks as it is meant.")
        copied[key] = _text_keys(item, source, [*path, key])
    return copied


def _explain(error: ValidationError, source: str, prefix: list[Any]) -> UserError:
    key = _dotted([*prefix, *error.absolute_path])
    where = f"{source}: {key}" if key else source
    rule = error.schema
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = list(rule.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        return UserError(where, f"unknown key {unknown[0]!r}.", suggestion(unknown[0], known))
    if error.validator == "required":
        missing = [k for k in rule["required"] if k not in error.instance]
        return UserError(where, f"the key {missing[0]!r} is missing.", f"add {missing[0]!r} (config/README.md has it).")
    if error.validator == "type":
        wanted = rule["type"] if isinstance(rule["type"], str) else " or ".join(rule["type"])
        mend = "change the value."
        if isinstance(error.instance, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", error.instance):
            mend = f"write {float(error.instance)!r}: YAML reads {error.instance} as text."
        elif "string" in wanted and isinstance(error.instance, (int, float)):
            mend = "put it in quotation marks as it is meant; without them YAML reads a number."
        return UserError(where, f"{error.instance!r} is not of type {wanted}.", mend)
    return UserError(where, f"{error.message}.", "change the value (config/README.md says what it may be).")


def validate(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The config with all defaults filled in.

    Args:
        config: as read from YAML and the command line.
        source: name of the config to show in an error.

    Raises:
        UserError: the first thing that does not fit the schema, by its key.
    """
    config = _without_removed(_text_keys(config, source, []))
    if config.get(INCLUDE):
        raise UserError(f"{source}: {INCLUDE}", "only a config file can include others.", "put it into the file.")
    _check(config, schema(), source, [])
    for name, method in config["methods"].items():
        _check(method.get("training", {}), schema()["properties"]["training"], source, ["methods", name, "training"])
    return _with_defaults(config, schema())


def _without_removed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without the empty places that removed methods, experiments and controls have left."""
    left = {section: _named(config, section) for section in REMOVABLE if _named(config, section)}
    return {**config, **{key: {k: v for k, v in part.items() if v is not None} for key, part in left.items()}}


def _check(value: Any, rule: Mapping[str, Any], source: str, prefix: list[Any]) -> None:
    error = best_match(Draft202012Validator(rule).iter_errors(value))
    if error is not None:
        raise _explain(error, source, prefix)
