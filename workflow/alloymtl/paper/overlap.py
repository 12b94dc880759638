"""What gradients tell of tasks, as the paper sees it: the arms, and the tables of affinity that each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from alloymtl.experiment import AFFINITY
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy

OWN = "Own tasks"
ABSENT = "This study has no experiment on the affinity of its tasks."


@dataclass(frozen=True)
class Arm:
    """A study with an experiment ``affinity``: one within the paper's study, or that study itself."""

    name: str
    title: str
    material: Material

    @property
    def study(self) -> PaperStudy:
        """What it is a study of."""
        return self.material.study

    def table(self, name: str) -> pd.DataFrame:
        """One of ``layout.AFFINITY_TABLES`` or ``layout.BENEFIT_TABLES``; without lines where the arm has none."""
        return self.material.affinity_table(name)


def arms(material: Material) -> Iterator[Arm]:
    """The study itself, where it asks for the affinity of its tasks, and then its arms, in the config's order."""
    if AFFINITY in material.study.experiments:
        yield Arm("", OWN, material)
    for name, arm in material.arms.items():
        yield Arm(name, arm.study.title, arm)
