"""Advice in words for a terminal: the statements by topic, each with its number, and what to paste into a config."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from alloymtl.evaluation.affinity.advice_rules import (
    AFFINITY,
    ALL,
    BALANCER,
    BOTTOM_LINE,
    CANNOT_TELL,
    GROUPS,
    INPUTS,
    JOINT,
    OVERLAP,
    SIZES,
    TOPICS,
    TRAINING,
    Groups,
    Line,
)

WIDTH = 110
HEADINGS = {
    BOTTOM_LINE: "Bottom line",
    TRAINING: "Training",
    SIZES: "Sizes",
    OVERLAP: "Label overlap",
    INPUTS: "Chemical systems, of tasks that share few alloys",
    AFFINITY: "Affinity: cosines of gradients, in the last fifth of training (open: cannot tell)",
    JOINT: "Joint or alone: change by training all tasks together, higher is better",
    GROUPS: "Groups",
    BALANCER: "Balancer: mean change over tasks, higher is better",
}
FORMS = {
    "%": ("+", 1),
    "labels": ("", 0),
    "alloys": ("", 0),
    "runs": ("", 0),
    "pairs": ("", 0),
    "times": ("", 1),
    "Jaccard": ("", 2),
    "share": ("", 2),
    "p": ("", 3),
}
"""Sign and decimals of a number, by its unit."""
MOST_DIGITS = 5
NARROWEST = 40
BY_PAIR = (OVERLAP, AFFINITY)
COLUMNS = {"alloys": "alloys with both", "Jaccard": "Jaccard index", "r": "label correlation"}
PASTE = """\
To compare the groups that gradients show, add this to the config and ask again; only they are trained then:

controls:
  advice:
    methods:
      advice_groups: {{title: Groups, architecture: grouped, architecture_options: {{groups: {groups}}}}}
    experiments:
      advice: {{methods: [{methods}, advice_groups]}}
"""


def text(about: Sequence[str], lines: Sequence[Line], paste: str = "") -> str:
    """All of it, ending in a line end.

    Args:
        about: what stands first: of which study, and what intervals mean.
        lines: the statements.
        paste: see ``paste``.
    """
    blocks = ["\n".join(textwrap.fill(one, WIDTH) for one in about)]
    for topic in TOPICS:
        found = [line for line in lines if line.topic == topic]
        if found:
            blocks.append("\n".join([HEADINGS[topic], *_rows(topic, found)]))
    return "\n\n".join([*blocks, *([paste.rstrip()] if paste else [])]) + "\n"


def paste(groups: Groups, methods: Sequence[str]) -> str:
    """Lines of a config that have some groups trained beside the methods of the advice."""
    listed = ", ".join(f"[{', '.join(group)}]" for group in groups)
    return PASTE.format(groups=f"[{listed}]", methods=", ".join(methods))


def _rows(topic: str, lines: Sequence[Line]) -> list[str]:
    if topic == BOTTOM_LINE:
        (line,) = lines
        said = f"{line.verdict.upper()} ({value(line)}): {line.statement}."
        return [textwrap.fill(said, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    if topic in BY_PAIR:
        pairs = [line for line in lines if line.subject != ALL]
        return [*_table(topic, pairs), *_told([line for line in lines if line.subject == ALL])]
    return _told(lines)


def _told(lines: Sequence[Line]) -> list[str]:
    """A row for each line: subject, number, statement."""
    cells = [(line.subject, value(line)) for line in lines]
    wide, long = (max(len(part) for part in parts) for parts in zip(*cells, strict=True))
    rows = []
    for line in lines:
        start = f"  {line.subject:<{wide}}  {value(line):>{long}}  "
        rest = max(WIDTH, len(start) + NARROWEST)
        rows.append(textwrap.fill(line.statement, rest, initial_indent=start, subsequent_indent=" " * len(start)))
    return rows


def _table(topic: str, lines: Sequence[Line]) -> list[str]:
    """A row for each pair of tasks, a column for each kind of number: the table of the step says more of each."""
    columns = list(dict.fromkeys(_column(topic, line) for line in lines))
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        told = f"{value(line, unit=False)} {'open' if line.verdict == CANNOT_TELL else line.verdict}".rstrip()
        few = f" ({line.n})" if line.n < max(li.n for li in lines) and topic == AFFINITY else ""
        rows.setdefault(line.subject, {})[_column(topic, line)] = told + few
    cells = [["", *columns], *([pair, *(found.get(c, "") for c in columns)] for pair, found in rows.items())]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _column(topic: str, line: Line) -> str:
    return line.statement.partition(":")[0] if topic == AFFINITY else COLUMNS[line.unit]


def value(line: Line, unit: bool = True) -> str:
    """The number behind a statement, with its interval if it has one."""
    if math.isnan(line.number):
        return "no number"
    form, digits = FORMS.get(line.unit, ("+", 2))
    known = [x for x in (line.low, line.high) if x and not math.isnan(x)]
    # An end that is not zero is not to look like it: whether an interval holds zero is what it is read for.
    while any(not round(x, digits) for x in known) and digits < MOST_DIGITS:
        digits += 1
    number, low, high = (_shown(x, form, digits) for x in (line.number, *((line.low, line.high) if known else (0, 0))))
    if known:
        number += f" [{low}, {high}]"
    return f"{number} {line.unit if unit else ''}".rstrip()


def _shown(x: float, sign: str, digits: int) -> str:
    """A number; zero has no sign."""
    rounded = round(x, digits) + 0.0
    return f"{rounded:{sign if rounded else ''},.{digits}f}"
