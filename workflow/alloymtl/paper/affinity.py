"""What tables and figures on the affinity of tasks share: which series they show, and what those are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from alloymtl.data.overlap import ALL, KEPT
from alloymtl.evaluation.affinity.cosines import WINDOWS
from alloymtl.evaluation.affinity.kinds import LABELS, LABELS_LEFT, MAGNITUDES, SIGNALS, WEIGHTS
from alloymtl.experiment import AFFINITY
from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import Arm, arms
from alloymtl.paper.spec import PaperStudy, ordered

WINDOW = list(WINDOWS)[-1]
"""The part of training whose cosines are shown: the last, which arXiv:2604.07848 averages over."""
MINIBATCH, CORRECTED = "minibatch", "corrected"
SHOWN = (MINIBATCH, CORRECTED)
"""Estimators of a cosine that are shown: that of the paper, and the one without the bias of noise."""
TITLES: Mapping[str, str] = {
    MINIBATCH: "Minibatch cosines",
    "large": "Large-batch cosines",
    CORRECTED: "Corrected cosines",
    LABELS: "All labels",
    LABELS_LEFT: "Labels left",
    SIGNALS: "Signals",
    WEIGHTS: "Designed weights",
    MAGNITUDES[LABELS]: "All labels, unsigned",
    MAGNITUDES[SIGNALS]: "Signals, unsigned",
    MAGNITUDES[WEIGHTS]: "Designed weights, unsigned",
}
"""Estimators and kinds of relation as rows and columns call them."""
ARM = "arm"
"""Column of a CSV that names the arm; empty for the study itself."""
PAPER = "arXiv:2604.07848"


@dataclass(frozen=True)
class Panel:
    """An arm and one of the methods whose gradients it has."""

    arm: Arm
    method: str
    title: str

    @property
    def levels(self) -> list[str]:
        """Levels of the arm's experiment from the smallest to the largest."""
        return levels(self.arm.study)


def levels(study: PaperStudy) -> list[str]:
    """Levels of the experiment ``affinity`` from the smallest to the largest."""
    return [str(level) for level in ordered(study.experiments[AFFINITY])]


def panels(material: Material, table: str) -> Iterator[Panel]:
    """Each arm of which a table has lines, once for each method; its title says the method where there are several.

    A table of relations alone has one panel, of no method.

    Args:
        material: the study.
        table: with a column ``method``, empty for what comes from no gradients.
    """
    for arm in arms(material):
        lines = arm.table(table)
        methods = [name for name in lines["method"].drop_duplicates() if name] if len(lines) else []
        for name in methods or [""] * bool(len(lines)):
            of_method = f", {arm.study.methods[name].title}" if len(methods) > 1 else ""
            yield Panel(arm, name, f"{arm.title}{of_method}")


def every(material: Material, table: str, columns: Iterable[str]) -> pd.DataFrame:
    """A table of all arms below each other, with the arm's name in front."""
    columns = [ARM, *columns]
    parts = [arm.table(table).assign(**{ARM: arm.name}) for arm in arms(material) if len(arm.table(table))]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def shown(table: pd.DataFrame, method: str, source: str = "estimator") -> pd.DataFrame:
    """Lines of a method's cosines in the window that is shown, and of relations, which have neither.

    Args:
        table: with columns ``method`` and ``window``.
        method: whose gradients.
        source: column with the estimator or the kind of relation.
    """
    of_gradients = (table["method"] == method) & (table["window"] == WINDOW)
    relation = (table["method"] == "") & table[source].isin([LABELS_LEFT, *MAGNITUDES, *MAGNITUDES.values()])
    return table[of_gradients | relation]


def truth(kinds: Iterable[str]) -> str | None:
    """What is known of tasks by construction, among some kinds of relation: weights of designed tasks, else signals.

    Without their signs, where these are told: a task's head may turn them, and gradients do not know them.
    """
    there = set(kinds)
    return next((k for k in (MAGNITUDES[WEIGHTS], MAGNITUDES[SIGNALS], WEIGHTS, SIGNALS) if k in there), None)


def strength(kinds: Iterable[str]) -> str:
    """How labels correlate, among some kinds of relation: without signs where that is told."""
    return MAGNITUDES[LABELS] if MAGNITUDES[LABELS] in set(kinds) else LABELS


def what_a_level_is(study: PaperStudy) -> str:
    """Words for the column of levels, such as ``alloys in common of 250``."""
    labels = study.split["labels"]
    if labels["kind"] == ALL:
        return "labels of the largest task"
    return "per cent of labels kept" if labels["kind"] == KEPT else f"alloys in common, of {labels['rows']}"


def level_cell(level: str) -> Tex:
    """A level in the column of levels."""
    return Tex("all") if level == ALL else count(int(level))


def level_of(study: PaperStudy, level: str) -> str:
    """A level as part of a title, such as ``115 of 250 alloys in common``."""
    labels = study.split["labels"]
    if labels["kind"] == ALL:
        return "all labels" if level == ALL else f"{int(level):,} labels"
    return f"{level} % of labels kept" if labels["kind"] == KEPT else f"{level} of {labels['rows']} alloys in common"


def numbered(study: PaperStudy, joined: str) -> str:
    """Groups of tasks, written ``a+b | c``, as the tasks' numbers in the study's order: ``1 2 | 3``."""
    places = {task.name: str(n) for n, task in enumerate(study.tasks, 1)}
    groups = [[places[task] for task in group.split("+")] for group in joined.split(" | ")] if joined else []
    return " | ".join(" ".join(group) for group in groups)


def key(study: PaperStudy, text: Callable[[str], str] = escape) -> str:
    """What the numbers of tasks stand for."""
    return ", ".join(f"{n} {text(task.title)}" for n, task in enumerate(study.tasks, 1))


def same_tasks(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Panels by the tasks they are of, so that one key serves those that have the same."""
    groups: dict[tuple[str, ...], list[Panel]] = {}
    for panel in panels:
        groups.setdefault(tuple(task.name for task in panel.arm.study.tasks), []).append(panel)
    return list(groups.values())
