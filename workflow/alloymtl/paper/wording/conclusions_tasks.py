"""What tasks have in common: gradients, transfer, learned relations, backbones; in sentences that results choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alloymtl.paper.latex import Tex, listing
from alloymtl.paper.wording.findings import SHORT, Fact, Findings


class OnTasks(Findings):
    """Sentences on what tasks have in common."""

    def cosines(self, found: list[Fact]) -> Tex:
        """Pairs of tasks with their cosine and its interval; of many the smallest and the largest mean alone."""
        if len(found) > SHORT:
            order = sorted(found, key=lambda f: self.prose.numbers[self.prose.prefix + f"{f['key']}.mean"]["value"])
            first, last = (self.val(f["key"], "mean") for f in (order[0], order[-1]))
            return Tex(f"means from ${first}$ to ${last}$")
        return Tex(
            "; ".join(
                f"{self.prose.task(f['first'])} and {self.prose.task(f['second'])} "
                f"${self.val(f['key'], 'mean')}$, {self.span(f['key'])}"
                for f in found
            )
        )

    def pairs(self, found: Iterable[Fact]) -> Tex:
        """Pairs of tasks by name."""
        return Tex("; ".join(self.prose.tasks([f["first"], f["second"]]) for f in found))

    def open_pairs(self, method: str, found: list[Fact]) -> Tex:
        """For which pairs of tasks a conflict is not excluded, without a full stop."""
        if len(found) > SHORT:
            return Tex(f"for {self.val(f'cosine.{method}.corrected+around')} pairs none is excluded")
        return Tex(f"none is excluded for {self.pairs(found)}")

    def gradients_in_short(self) -> Tex:
        """Where the noise-corrected cosines of the first method lie."""
        method = self.facts["cosines"][0]["method"]
        found = [f for f in self.facts["cosines"] if f["method"] == method and f["measure"] == "corrected"]
        if not found:
            return Tex("Too few runs have a cosine of gradients that is corrected for noise.")
        below = self.of_sign(found, "below")
        if below:
            return Tex(f"Corrected for noise, gradients have negative cosines between {self.pairs(below)}.")
        if self.of_sign(found, "around"):
            return Tex("Corrected for noise, no negative cosine between the gradients of two properties is shown.")
        return Tex("Corrected for noise, gradients have positive cosines for every pair of properties.")

    def transfer(self) -> Tex:
        """What the arms of the transfer experiment say together about features of the source."""
        arms = {
            (bool(o["pretrained"]), bool(o["frozen"])): m.name
            for m in self.prose.users("architecture", "transfer")
            if {"pretrained", "frozen"} <= set(o := m.parts["architecture"].options)
        }
        frozen, random = (arms.get(key) for key in ((True, True), (False, True)))
        if frozen is None or random is None:
            return Tex("")
        # Whatever else the frozen backbone is tested against is trained from scratch.
        tested = self.prose.study.experiments["transfer"].comparisons
        scratch = next((base for base, arm in tested if arm == frozen and base != random), None)
        source = self.prose.task(self.facts["largest"])
        of = {t["task"]: t for t in self.tests("transfer", baseline=random, method=frozen)}
        better = [task for task, t in of.items() if t["verdict"] == "better"]
        rest = [task for task in of if task not in better]
        said = []
        if better:
            said.append(
                f"Features learned on {source} are worth more than a random map on {self.prose.tasks(better)}: "
                "something in them carries over."
            )
        if rest:
            said.append(
                f"On {self.prose.tasks(rest)} features learned on {source} are not shown to be worth more than a "
                "random map of the same size."
            )
        level = [
            t["task"] for t in self.tests("transfer", baseline=scratch, method=frozen) if t["verdict"] == "not shown"
        ]
        if both := [task for task in level if task in better]:
            said.append(
                f"That they show no gain over training from scratch on {self.prose.tasks(both)} is then no sign of "
                "unrelated tasks: a fixed backbone that never saw the task is compared with one made for it."
            )
        return Tex(" ".join(said))

    def strengths(self, methods: Iterable[str]) -> Tex:
        """Mean strength of the relations of each method."""
        return listing(Tex(f"${self.val('variant', m, 'mean')}$ ({self.prose.method(m)})") for m in methods)

    def relatedness(self, planted: Findings | None) -> Tex:
        """What learned relations can tell of relatedness, by the controls of settings and of planted relations."""
        said = []
        if self.facts["variants"]:
            said.append(
                "Strengths follow penalty and weight decay more than the pair of tasks; a small one is no evidence of "
                "unrelated properties."
                if self.facts["settings_rule"]
                else "Strengths differ between pairs of tasks by as much as between settings."
            )
        found = planted.facts["clusters"] if planted is not None else []
        if found:
            tell = [f["method"] for f in found if f["sign"] == "above"]
            miss = [f["method"] for f in found if f["sign"] != "above"]
            name = planted.prose.methods
            if tell:
                said.append(f"Where relations are planted, {name(tell)} {_verb(tell, 'finds', 'find')} them.")
            if miss:
                said.append(
                    f"{name(miss)} {_verb(miss, 'does', 'do')} not show planted relations, so that strengths which "
                    "are alike do not speak against relatedness."
                )
        return Tex(" ".join(said))

    def from_to(self, weakest: str, strongest: str, measure: str) -> Tex:
        """How a similarity changes from the weakest coupling to the strongest."""
        known = [tuple(pair) for pair in self.facts["similar"]]
        ends = [(m, self.val("similarity", m, measure)) for m in (weakest, strongest) if (m, measure) in known]
        if not ends:
            return Tex("is not defined")
        if len(ends) == 1 or weakest == strongest:
            return Tex(f"is ${ends[-1][1]}$ under {self.prose.method(ends[-1][0])}")
        return Tex(f"goes from ${ends[0][1]}$ to ${ends[1][1]}$")


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many
