"""Advice in words for a terminal: the statements by topic, each with its number, and what to paste into a config."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from alloymtl.evaluation.affinity.advice_rules import (
    AFFINITY,
    BALANCER,
    BOTTOM_LINE,
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
    AFFINITY: "Affinity: cosines of gradients, in the last fifth of training",
    JOINT: "Joint or alone: change by training all tasks together, higher is better",
    GROUPS: "Groups",
    BALANCER: "Balancer: mean change over tasks, higher is better",
}
FORMS = {
    "%": "{:+.1f}",
    "labels": "{:,.0f}",
    "runs": "{:,.0f}",
    "pairs": "{:,.0f}",
    "alloys": "{:,.0f}",
    "times": "{:.1f}",
    "Jaccard": "{:.2f}",
    "share": "{:.2f}",
    "p": "{:.3f}",
}
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
        said = f"{line.verdict.upper()}: {line.statement}: {value(line)}."
        return [textwrap.fill(said, WIDTH, initial_indent="  ", subsequent_indent="  ")]
    wide, long = (
        max(len(part) for part in parts) for parts in zip(*((li.subject, value(li)) for li in lines), strict=True)
    )
    rows = []
    for line in lines:
        start = f"  {line.subject:<{wide}}  {value(line):>{long}}  "
        rows.append(
            textwrap.fill(
                line.statement, max(WIDTH, len(start) + 40), initial_indent=start, subsequent_indent=" " * len(start)
            )
        )
    return rows


def value(line: Line) -> str:
    """The number behind a statement, with its interval if it has one."""
    if math.isnan(line.number):
        return "no number"
    form = FORMS.get(line.unit, "{:+.2f}")
    number, low, high = (_signed(form.format(x)) for x in (line.number, line.low, line.high))
    if not math.isnan(line.low):
        number += f" [{low}, {high}]"
    return f"{number} {line.unit}".rstrip()


def _signed(number: str) -> str:
    """Zero has no sign."""
    return number[1:] if number[0] in "+-" and not float(number) else number
