"""Is the loss of the joint network an effect of its loss weights? In sentences that two intervals choose."""

from __future__ import annotations

from collections.abc import Iterable

from alloymtl.paper.latex import Tex
from alloymtl.paper.wording.findings import Fact, Findings
from alloymtl.paper.wording.outcomes import OPEN, REDUCED, REMAINS, REMOVED

# What equal weights leave of a loss on {task}; {here} is the test against the baseline, {between} the interval of the
# difference between equal and the joint network's own weights.
EQUAL = {
    REMOVED: (
        "With equal weights, also in the validation loss that chooses the epoch, the interval on {task} no longer lies "
        "on the side of a loss ({here}), and that of the difference between the two weightings{between} lies "
        "on the side of a gain. On "
        "{task} the loss is an effect of the loss weights."
    ),
    REDUCED: (
        "With equal weights, also in the validation loss that chooses the epoch, the interval on {task} still lies on "
        "the side of a loss ({here}), but that of the difference between the two weightings{between} lies on "
        "the side of a gain. The loss weights "
        "are a part of it."
    ),
    REMAINS: (
        "With equal weights the interval on {task} still lies on the side of a loss ({here}), and that of the "
        "difference between the two weightings{between} shows no gain. On {task} the loss weights are not shown to be "
        "behind it."
    ),
    OPEN: (
        "With equal weights the interval on {task} does not lie on the side of a loss ({here}), but that of the "
        "difference between the two weightings{between} shows no gain either. It stays open whether the loss weights "
        "are behind it."
    ),
}
EQUAL_IN_SHORT = {
    REMOVED: "with equal loss weights none is seen on {}, where it is thus an effect of the weights",
    REDUCED: "with equal loss weights the loss on {} is smaller, but still there",
    REMAINS: "with equal loss weights the loss on {} is still there",
    OPEN: "whether the loss weights are behind it on {} stays open",
}
OTHERS = {
    REMOVED: "the loss is gone",
    REDUCED: "it is smaller",
    REMAINS: "it stays",
    OPEN: "neither a loss nor a gain is shown",
}


class OnWeights(Findings):
    """Sentences on the weights of the losses."""

    def weights(self) -> Tex:
        """What other weights leave of the losses of the joint network."""
        w = self.facts["weights"]
        joint, baseline = self.prose.method(w["joint"]), self.prose.method(w["baseline"])
        if not w["lost"]:
            none = f"{joint} is not shown to be worse than {baseline} on any task, so that there is no loss to explain."
            return Tex(f"{none} {self.outcome('weighting', w['baseline'])}")
        lost = [t for t in self.tests(w["judged"], baseline=w["baseline"], method=w["joint"]) if t["task"] in w["lost"]]
        said = [f"{joint} is worse than {baseline} on {self.evidence(lost)}. Is that an effect of its weights?"]
        said += [self._equal(case) for case in w["cases"] if case["method"] == w["equal"]]
        said += self._others(w)
        if w["equal"] is not None:
            tests = self.tests("weighting", baseline=w["baseline"], method=w["equal"], verdict="worse")
            if new := [t for t in tests if t["task"] not in w["lost"]]:
                said.append(f"Equal weights are not free: they are worse than {baseline} on {self.evidence(new)}.")
        if direct := self.outcome("weighting", w["joint"]):
            said.append(f"What corrected tests between these settings add. {direct}")
        return Tex(" ".join(said))

    def weights_in_short(self) -> Tex:
        """What equal weights leave of the losses of the joint network, in one sentence; empty where none were tried."""
        w = self.facts["weights"]
        said = []
        for outcome, words in EQUAL_IN_SHORT.items():
            cases = [c for c in w["cases"] if (c["method"], c["outcome"]) == (w["equal"], outcome)]
            if cases:
                said.append(words.format(self.prose.tasks(case["task"] for case in cases)))
        if not said:
            return Tex("")
        against = f"{self.prose.method(w['joint'])} loses against {self.prose.method(w['baseline'])}"
        return Tex(f"{against} on {self.prose.tasks(w['lost'])}: {'; '.join(said)}.")

    def _equal(self, case: Fact) -> str:
        between = f", {self.span(case['key'])}," if case["key"] else ""
        here = self.strength({"key": case["test"]})
        return EQUAL[case["outcome"]].format(task=self.prose.task(case["task"]), here=here, between=between)

    def _others(self, w: Fact) -> list[str]:
        """What all settings but equal weights leave of the losses, outcome by outcome."""
        start = "Of the other settings: " if w["equal"] else "Of the settings: "
        said = []
        for outcome, words in OTHERS.items():
            cases = [c for c in w["cases"] if c["method"] != w["equal"] and c["outcome"] == outcome]
            where = "; ".join(
                f"on {self.prose.task(t)} with {self.prose.methods(ms)}" for t, ms in _by_task(cases).items()
            )
            if where:
                said.append(f"{start or words[0].upper()}{words if start else words[1:]} {where}.")
                start = ""
        return said


def _by_task(cases: Iterable[Fact]) -> dict[str, list[str]]:
    """Methods of some cases by task."""
    of: dict[str, list[str]] = {}
    for case in cases:
        of.setdefault(case["task"], []).append(case["method"])
    return of
