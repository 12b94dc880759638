"""What follows from setting balancers beside each other, in sentences that their tests choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alloymtl.paper.balancing import batches, of_study, titles
from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.wording.findings import FEW, Fact, Findings
from alloymtl.paper.wording.prose import PAUSES

# What methods did, for one and for several of them.
FELL = {
    "better": ("is better", "are better"),
    "worse": ("is worse", "are worse"),
    "not shown": ("shows no difference", "show no difference"),
    "identical": ("gives the same results", "give the same results"),
    "undefined": ("cannot be told in per cent", "cannot be told in per cent"),
}
CHANGED = {
    "better": ("rises", "rise"),
    "worse": ("falls", "fall"),
    "not shown": ("shows no change", "show no change"),
    "identical": ("stays the same", "stay the same"),
    "undefined": ("cannot be told in per cent", "cannot be told in per cent"),
}
# Where the plain baseline stands at the largest level: {0} its labels, {1} single-task networks.
STANDS = {
    "better": "With {0} it is better than {1}.",
    "worse": "With {0} it is still worse than {1}.",
    "not shown": "With {0} no difference from {1} is shown.",
}
NAMED = ("better", "worse")  # verdicts whose methods are named where they are few
Verdicts = Mapping[str, list[str]]


class OnBalancing(Findings):
    """Sentences on the experiment that sets balancers beside each other."""

    def balancers(self, panel: Fact) -> Tex:
        """Where the plain baseline and the best method of a sampler stand, and how all fell against both baselines."""
        under, alone = batches(panel["sampler"]), self._alone()
        said = []
        if panel["plain"] is not None and self.prose.has("balancing.of", panel["plain"], "delta"):
            said.append(f"Under {under}, {self._method(panel, panel['plain'])} reaches {self._delta(panel['plain'])}.")
        if panel["best"] not in (None, panel["plain"]):
            best = f"{self._method(panel, panel['best'])}: {self._delta(panel['best'])}"
            said.append(f"The highest $\\Delta_m$ {'there' if said else f'under {under}'} is that of {best}.")
        fell = self._fell(panel, f"{panel['key']}.alone", panel["alone"], FELL)
        said.append(f"Against {alone}, {fell}{'' if said else f' under {under}'}.")
        if panel["own"] and any(panel["own"].values()):
            fell = self._fell(panel, f"{panel['key']}.own", panel["own"], FELL)
            said.append(f"Against {self._method(panel, panel['plain'])} under the same batches, {fell}.")
        return Tex(" ".join(said))

    def stands_out(self) -> Tex:
        """Which batches let some balancer be shown to beat the plain baseline that is trained on the same batches."""
        panels = [p for p in self.facts["balancing"]["panels"] if p["own"] and any(p["own"].values())]
        if not panels:
            return Tex("")
        beaten = [p for p in panels if p["own"]["better"]]
        if not beaten:
            return Tex("No balancer is shown to beat the plain baseline that is trained on the same batches.")
        where = listing(batches(p["sampler"]) for p in beaten)
        return Tex(f"Balancers that are shown to beat the plain baseline on the same batches are found under {where}.")

    def sampling(self) -> Tex:
        """What the sampler alone does to the plain baseline; empty where there is one sampler."""
        said = []
        for panel in self.facts["balancing"]["panels"]:
            b = panel["batches"]
            if b is None or b["verdict"] == "undefined":
                continue
            effect = {"better": "gains", "worse": "loses"}.get(b["verdict"])
            what = f"{batches(panel['sampler'])} in the place of {batches(b['against'])}"
            strength = self._strength(b["key"])
            plain = self._method(panel, panel["plain"])
            said.append(
                f"By {what} alone, {plain} {effect} {strength}."
                if effect
                else f"No effect of {what} alone is shown on {plain} {strength}."
            )
        return Tex(" ".join(said))

    def ranking(self, panel: Fact) -> Tex:
        """What ranks tell of the methods of a sampler."""
        ranks, key = panel["ranks"], panel["ranks"]["key"]
        under = batches(panel["sampler"])
        said = []
        if ranks["differ"] is not None:
            test = rf"($\chi^2={self.val(key, 'statistic')}$, $p{self.val(key, 'p')}$)"
            found = "finds that the mean ranks differ" if ranks["differ"] else "does not show the mean ranks to differ"
            said.append(f"Under {under} Friedman's test {found} {test}.")
        where = "There" if said else f"Under {under}"
        own = {
            "best": f"{where} the best mean rank is that of {self._ranked(panel, ranks['best'])}",
            **{
                name: self._ranked(panel, name)
                for name in (self.facts["balancing"]["alone"], panel["plain"])
                if name not in (None, ranks["best"])
            },
        }
        said.append(f"{own.pop('best')}{', against ' + listing(own.values()) if own else ''}.")
        others = len(panel["methods"])
        within = f"Of the {self.val(key, 'methods')} methods" if others > 1 else "Of both"
        n = len(ranks["within"])
        said.append(
            f"{within}, {self.val(key, 'within') if n else 'none'} {'lies' if n < 2 else 'lie'} so near behind it that "
            f"ranks do not tell {'it' if n < 2 else 'them'} apart "
            f"(critical difference {self.val(key, 'difference')})."
        )
        return Tex(" ".join(said))

    def ranked_together(self) -> Tex:
        """Where the plain baselines rank among the methods of all samplers; empty where there is one sampler."""
        ranks = self.facts["balancing"]["together"]
        if ranks is None:
            return Tex("")
        key = ranks["key"]
        named = {m: f"{self.prose.method(m)} ({self.val(key, 'of', m)})" for m in (ranks["best"], *ranks["told"])}
        best = named.pop(ranks["best"])
        others = f", against {listing(map(Tex, named.values()))}" if named else ""
        return Tex(
            f"Among the {self.val(key, 'methods')} methods of all samplers together it is that of {best}{others}."
        )

    def data_cures(self, panel: Fact) -> Tex:
        """How Delta_m changes from the smallest level to the largest under a sampler."""
        facts, rises = self.facts["balancing"], panel["rises"]
        few, many = (self._labels(facts[level]) for level in ("smallest", "largest"))
        under, said = batches(panel["sampler"]), []
        if rises["plain"] is not None:
            plain, key = self._method(panel, panel["plain"]), f"{panel['key']}.rises.plain"
            effect = {"better": "gains", "worse": "loses"}.get(rises["plain"])
            start = f"From {few} to {many}, under {under}, {plain}"
            said.append(
                f"{start} {effect} {self._strength(key)}."
                if effect
                else f"{start} is not shown to change {self._strength(key)}."
            )
            verdict = next(v for v, methods in panel["alone"].items() if panel["plain"] in methods)
            if verdict in STANDS:
                said.append(STANDS[verdict].format(many, self._alone()))
        fell = self._fell(panel, f"{panel['key']}.rises", rises["of"], CHANGED)
        said.append(f"{fell[:1].upper()}{fell[1:]} with more labels{'' if said else f', under {under}'}.")
        return Tex(" ".join(said))

    def families(self) -> Tex:
        """Methods that share a direction, as sentences."""
        said = []
        for name, methods in self.facts["balancing"]["families"].items():
            members = self.prose.methods(m.name for m in self.prose.distinct(self._views(methods)))
            said.append(
                f"{members} approximate one direction, the {escape(name)}: what several of them show is not shown "
                "several times."
            )
        return Tex(" ".join(said))

    def _views(self, methods: Iterable[str]) -> list:
        return [self.prose.study.methods[name] for name in methods]

    def _labels(self, level: str) -> Tex:
        return Tex("all labels") if level == "all" else Tex(f"{self.prose.level(level)} labels")

    def _alone(self) -> Tex:
        return self.prose.method(self.facts["balancing"]["alone"])

    def _ranked(self, panel: Fact, method: str) -> Tex:
        return Tex(f"{self._method(panel, method)} ({self.val(panel['ranks']['key'], 'of', method)})")

    def _method(self, panel: Fact, method: str) -> Tex:
        """A method's title where its sampler is named, in quotes where it would break a sentence."""
        study = self.prose.study
        title = titles(study, of_study(study), panel["sampler"])[method]
        return Tex(f"``{escape(title)}''") if any(mark in title for mark in PAUSES) else escape(title)

    def _delta(self, method: str) -> Tex:
        key = f"balancing.of.{method}"
        return Tex(rf"$\Delta_m={self.val(key, 'delta')}\,\%$, interval {self.span(key)}")

    def _strength(self, key: str) -> Tex:
        return Tex(rf"(${self.val(key, 'delta')}$ points of $\Delta_m$, {self.span(key)}, $p{self.val(key, 'p')}$)")

    def _fell(self, panel: Fact, key: str, of: Verdicts, words: Mapping[str, tuple[str, str]]) -> Tex:
        """How some methods fell, without a full stop."""
        total = sum(map(len, of.values()))
        there = [verdict for verdict in words if of[verdict]]
        if total == 1:
            return Tex(f"the one method {words[there[0]][0]}")
        if len(there) == 1:
            every = "both" if total == 2 else f"all {self.val(f'{key}+all')}"
            return Tex(f"{every} methods {words[there[0]][1]}")
        return Tex(f"of the {self.val(f'{key}+all')} methods, {self._counted(panel, key, of, words, NAMED)}")

    def _counted(
        self, panel: Fact, key: str, of: Verdicts, words: Mapping[str, tuple[str, str]], named: Iterable[str]
    ) -> Tex:
        """How many methods fell which way; by name where they are few and the verdict is one of those ``named``."""
        said = []
        for verdict in (verdict for verdict in words if of[verdict]):
            n = self.val(f"{key}+{verdict.replace(' ', '_')}")
            few = verdict in named and len(of[verdict]) <= FEW
            names = f" ({listing(self._method(panel, m) for m in of[verdict])})" if few else ""
            said.append(Tex(f"{n} {words[verdict][len(of[verdict]) > 1]}{names}"))
        return listing(said)
