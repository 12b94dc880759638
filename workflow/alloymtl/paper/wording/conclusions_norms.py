"""What follows from the norms of gradients, from a grid search of loss weights and from costs, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from alloymtl.paper.balancing import batches
from alloymtl.paper.latex import Tex, listing
from alloymtl.paper.wording.conclusions_balancing import OnBalancing
from alloymtl.paper.wording.findings import Fact

# Gradient-norm scaling ({0}) against the grid search of the same sampler.
REACHES = {
    "equivalent": "{0} reaches the grid search to within the margin",
    "better": "{0} is better than the grid search",
    "worse": "{0} falls short of the grid search",
    "not shown": "neither is {0} shown to equal the grid search, nor to differ from it",
    "undefined": "the difference of {0} from the grid search cannot be told in per cent",
}
# How other methods fell against it, for one and for several of them.
OTHERS = {
    "equivalent": ("reaches it", "reach it"),
    "better": ("is better", "are better"),
    "worse": ("is worse", "are worse"),
    "not shown": ("shows neither equality nor a difference", "show neither equality nor a difference"),
    "undefined": ("cannot be told in per cent", "cannot be told in per cent"),
}
NAMED = ("equivalent", "better")
# What the sign of a correlation says of norms and gains.
MEANS = {
    "above": "tasks of larger gradients gain more, as an imbalance by norms has it",
    "below": "tasks of larger gradients gain less, which is not what an imbalance by norms has",
    "around": "no relation is shown",
    None: "without an interval this describes the runs at hand and shows nothing of others",
}


class OnNorms(OnBalancing):
    """Sentences on gradient norms, grid search and cost."""

    def reaches(self, panel: Fact) -> Tex:
        """Whether gradient-norm scaling reaches the grid search under a sampler, and how the other methods fell."""
        under, key, said = batches(panel["sampler"]), panel["key"], []
        if panel["verdict"] is not None:
            name = self._method(panel, panel["method"])
            strength = "" if panel["verdict"] == "undefined" else f" ({self._from_search(key)})"
            said.append(f"Under {under} {REACHES[panel['verdict']].format(name)}{strength}.")
            if panel["verdict"] != "undefined" and self.facts["equivalence"]["over_levels"]:
                said.append(self._search_by_level(panel["levels"]))
        if any(panel["others"].values()):
            fell = self._fell_against_search(panel)
            said.append(f"{fell[:1].upper()}{fell[1:]}{'' if said else f' under {under}'}.")
        return Tex(" ".join(said))

    def _from_search(self, key: str) -> Tex:
        return Tex(
            rf"${self.val(key, 'difference')}$ points of $\Delta_m$, {self.span(key)}, "
            rf"$p{self.val(key, 'p')}$ of equivalence, $p{self.val(key, 'differ')}$ of a difference"
        )

    def _search_by_level(self, levels: Mapping[str, list[str]]) -> str:
        there = {verdict: found for verdict, found in levels.items() if found}
        if len(there) == 1:
            return f"Each single level says the same of it: {next(iter(there))}."
        told = "; ".join(f"{verdict} with {listing(map(self._labels, found))}" for verdict, found in there.items())
        return f"Level by level it is: {told}."

    def _fell_against_search(self, panel: Fact) -> Tex:
        """How the other methods of a sampler fell, without a full stop."""
        of, total = panel["others"], sum(map(len, panel["others"].values()))
        every = self.val(f"{panel['key']}+all")
        there = [verdict for verdict in OTHERS if of[verdict]]
        if len(there) == 1:
            who = "the other method" if total == 1 else "both other methods" if total == 2 else f"all {every} others"
            return Tex(f"{who} {OTHERS[there[0]][total > 1]}")
        return Tex(f"of the {every} other methods, {self._counted(panel, panel['key'], of, OTHERS, NAMED)}")

    def norms(self, entry: Fact) -> Tex:
        """What the norms of one method's gradients go with, as training met them and as the balancer scaled them."""
        name, under = self._method(entry, entry["method"]), batches(entry["sampler"])
        measure = "scaled" if entry["role"] == "scaled" else "as_met"
        own, said = entry[measure], []
        if "ratio" in own:
            told = f"the largest norm of a task's gradient is {self.val(own['ratio'])} times the smallest"
            if measure == "scaled" and "ratio" in entry["as_met"]:
                met = f"{self.val(entry['as_met']['ratio'])} times as training meets the gradients"
                told = f"{told} as it scales them, {met}"
            said.append(f"With {name} under {under}, {told}.")
        across = {"over tasks": own.get("tasks"), "over tasks and levels": own.get("both")}
        across = {what: told for what, told in across.items() if told}
        if across:
            each = listing(Tex(f"{self._correlation(told)} {what}") for what, told in across.items())
            verdict = MEANS[list(across.values())[-1]["sign"]]
            said.append(
                f"A task's relative norm and its change against single-task networks correlate by {each}: {verdict}."
            )
        corrected = entry["corrected"].get("both") or entry["corrected"].get("tasks")
        if corrected and measure == "as_met":
            said.append(f"Of norms that are corrected for the noise of batches it is {self._correlation(corrected)}.")
        if measure == "as_met":
            said += self._by_task(own)
        return Tex(" ".join(said))

    def _by_task(self, own: Fact) -> list[str]:
        said = []
        if levels := own.get("levels"):
            each = listing(Tex(f"{self._correlation(told)} for {self.prose.task(t)}") for t, told in levels.items())
            said.append(f"Over the levels of one task it is {each}.")
        if epochs := own.get("epochs"):
            each = listing(Tex(f"{self._correlation(told)} for {self.prose.task(t)}") for t, told in epochs.items())
            said.append(f"In the course of training, norm and lead correlate by {each}.")
        if changes := own.get("changes"):
            said.append(
                f"Their changes from one epoch to the next, which have no trend, do by {self._correlation(changes)}."
            )
        return said

    def _correlation(self, told: Fact) -> Tex:
        key = told["key"]
        interval = f" ({self.span(key)})" if told["sign"] is not None else ""
        return Tex(f"${self.val(key)}${interval}")

    def costs(self, panel: Fact) -> Tex:
        """What a step costs by the parts that methods play under a sampler, and what a search costs in all."""
        under, said = batches(panel["sampler"]), []
        scaled, dearest, searched = panel["scaled"], panel.get("dearest"), panel["searched"]
        if scaled:
            name = self._method(panel, scaled)
            said.append(
                f"Under {under} a step of {name} takes {self.val('costs', scaled, 'step')} times the baseline's."
            )
        if dearest and dearest != scaled:
            start = "The dearest step is that" if said else f"Under {under} the dearest step is that"
            name = self._method(panel, dearest)
            said.append(f"{start} of {name}, {self.val('costs', dearest, 'step')} times that of the baseline.")
        if searched:
            said.append(
                f"The grid search trains {self.val('costs', searched, 'trainings')} networks for one, and takes "
                f"{self.val('costs', searched, 'all')} times the baseline's time."
            )
        return Tex(" ".join(said))
