"""What gradients tell of tasks at different overlaps of their labels, in sentences that intervals choose."""

from __future__ import annotations

from collections.abc import Iterable

from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.wording.findings import Fact, Findings

# What a level takes away, by the kind of masking.
MASKED = {
    "all": "all labels as they were measured",
    "kept": "labels that stay by chance, so that sample sizes fall with the overlap, as in the released code",
    "exact": "as many labels of each task at every overlap, on alloys that are drawn alike",
    "apart": "the same, but with chemical systems of its own for each task's own alloys",
}
ESTIMATED = {
    "minibatch": "cosines of mini-batches",
    "large": "cosines of large batches",
    "corrected": "cosines that are corrected for noise",
}
RELATED = {
    "signals": "the correlation of noise-free signals",
    "weights": "the cosines of designed weights",
    "labels": "the correlation of labels",
    "labels_left": "the correlation of the labels that are left",
    "signals_magnitude": "the size of the correlation of noise-free signals",
    "weights_magnitude": "the size of the cosines of designed weights",
    "labels_magnitude": "the size of the correlation of labels",
}
WHAT = {**ESTIMATED, **RELATED}
CHANGES = {"above": "they agree more", "below": "they agree less", "around": "no change is shown"}
# What was written down before: by masking, how agreement changes with the overlap, and what each outcome says of that.
PREDICTED = {
    "exact": {
        "around": "in line with the prediction",
        "above": "against the prediction",
        "below": "against the prediction",
    },
    "apart": {"around": "the predicted rise is not shown", "above": "as predicted", "below": "against the prediction"},
}
VERDICTS = {"groups": "groups", "no groups": "no groups", "cannot tell": "no verdict", "missing": "no verdict"}
KNOWN = {"planted": "planted ones", "proposed": "proposed ones", "labels": "those of all labels"}
RECOVERED = {"wholly": "found", "partly": "found in part", "not shown": "not found"}


class OnOverlap(Findings):
    """Sentences on overlap, affinity and groups of tasks."""

    def arms_designed(self) -> Tex:
        """Each arm with what its levels take away, which is told once."""
        said, first = [], {}
        for arm in self.facts["overlap"]["arms"]:
            title = escape(arm["title"])
            masked = MASKED[arm["masking"]]
            if arm["masking"] in first:
                masked = f"labels as in \\emph{{{first[arm['masking']]}}}"
            first.setdefault(arm["masking"], title)
            said.append(Tex(f"\\emph{{{title}}} ({self._world(arm)}{masked})"))
        return listing(said)

    def _world(self, arm: Fact) -> str:
        if arm["signal"] in ("linear", "relu"):
            return "tasks designed on the features, of which the relation is known; "
        if arm["shared"] and arm["latent"] == "cluster":
            return "positive control, with one function of composition for each cluster of tasks; "
        if arm["shared"] and arm["latent"] == "task":
            return "negative control, with unrelated functions; "
        return ""

    def agrees(self, arm: Fact) -> Tex:
        """How far cosines of an arm agree with what is known, at both ends of the overlap."""
        told = [(ESTIMATED[one["estimator"]], self._ends(arm, one)) for one in arm["agreement"]]
        said = [f"{what}, {ends}" for what, ends in told if ends]
        if not said:
            return Tex("")
        signed = listing(Tex(f"${self.val(one['key'], 'r')}$ ({self.span(one['key'])})") for one in arm["signed"])
        signed = f"; at the largest overlap, with signs, {signed}" if signed else ""
        left = self._ends(arm, arm["left"]) if arm["left"]["low"] else ""
        left = f". The labels that are left agree with all labels {left}" if left and arm["several"] else ""
        where = f"Jaccard index {self._jaccard(arm, 'high')}"
        if arm["several"]:
            where = f"Jaccard index {self._jaccard(arm, 'low')} to {self._jaccard(arm, 'high')}"
        return Tex(
            f"\\emph{{{escape(arm['title'])}}} ({where}; {RELATED[arm['truth']]}): {'; '.join(said)}{signed}{left}."
        )

    def _jaccard(self, arm: Fact, place: str) -> Tex:
        return self.val("overlap", arm["name"], place, "jaccard")

    def _ends(self, arm: Fact, one: Fact) -> str:
        low, high, change = one["low"], one["high"], one["change"]
        if high is None:
            return ""
        each = [
            f"${self.val(end['key'], 'r')}$ ({self.span(end['key'])}; $p{self.val(end['key'], 'p')}$)"
            for end in (low, high)
            if end is not None
        ]
        if low is None or not arm["several"]:
            return each[-1]
        told = f"from {each[0]} to {each[1]}"
        if change is None or one["estimator"] not in ESTIMATED:
            return told
        predicted = PREDICTED.get(arm["masking"], {}).get(change["sign"], "")
        said = f"{CHANGES[change['sign']]}{', ' if predicted else ''}{predicted}"
        return f"{told}, a change of ${self.val(change['key'], 'difference')}$ ({self.span(change['key'])}: {said})"

    def overlap_thresholds(self) -> Tex:
        """In how many series there is a threshold, and where."""
        found = [(arm, one) for arm in self.facts["overlap"]["arms"] for one in arm["thresholds"] if one["found"]]
        every = sum(len(arm["thresholds"]) for arm in self.facts["overlap"]["arms"])
        if not every:
            return Tex("")
        if not found:
            return Tex(f"In none of the {self.val('overlap.series')} series with enough overlaps is a threshold shown.")
        told = listing(
            Tex(
                f"{ESTIMATED[one['estimator']]} of \\emph{{{escape(arm['title'])}}} "
                f"({self.val(one['key'], 'x0')}, interval {self.span(one['key'])})"
            )
            for arm, one in found
        )
        how_many = f"{self.val('overlap.thresholds')} of {self.val('overlap.series')} series with enough overlaps"
        return Tex(f"A threshold is shown in {how_many}: for {told}, as Jaccard indices.")

    def pairs_gain(self, arm: Fact) -> Iterable[Tex]:
        """What pairs gain, and what goes with it, level by level."""
        for told in arm["benefit"]:
            key = told["key"]
            each = listing(
                Tex(f"{WHAT[one['predictor']]} ($r={self.val(one['key'], 'r')}$, $p{self.val(one['key'], 'p')}$)")
                for one in told["predictors"]
            )
            shown = [one for one in told["predictors"] if one["shown"]]
            named = listing(
                Tex(f"pairs {'gain more' if one['rises'] else 'gain less'} the larger {WHAT[one['predictor']]}")
                for one in shown
            )
            verdict = f"after Holm's correction over the arm, {named or 'no relation is shown'}"
            where = f"With {escape(self._arm_level(arm, told['level']))}"
            if self.prose.has(key, "jaccard"):
                where = f"At a Jaccard index of {self.val(key, 'jaccard')}"
            yield Tex(
                f"{where}, {self.val(key, 'positive')} of "
                f"{self.val(key, 'pairs')} pairs have a mean gain above zero; the mean of all is "
                f"${self.val(key, 'mean')}$\\,\\%. Correlation of the gain with {each}: {verdict}."
            )

    def groups_found(self, arm: Fact) -> Tex:
        """Verdicts on groups at both ends of an arm, and how well known ones are recovered."""
        said = []
        for source, what in ESTIMATED.items():
            found = [group for group in arm["groups"] if group["source"] == source]
            if found:
                said.append(f"{what}, {'; '.join(self._group(arm, group) for group in found)}")
        return Tex(f"\\emph{{{escape(arm['title'])}}}: {'. By '.join(said)}." if said else "")

    def _group(self, arm: Fact, group: Fact) -> str:
        p = f", $p{self.val(group['key'], 'p')}$" if self.prose.has(group["key"], "p") else ""
        told = f"{VERDICTS[group['verdict']]} at {self._jaccard(arm, group['place'])}{p}"
        if group["known"]:
            of_runs = ""
            if self.prose.has(group["key"], "recovered"):
                of_runs = f"; in {self.val(group['key'], 'recovered')} of runs wholly"
            score = f"${self.val(group['key'], 'ari')}$, $p{self.val(group['key'], 'ari_p')}${of_runs}"
            told += f", {KNOWN[group['which']]} {RECOVERED[group['known']]} ({score})"
        return told

    def groups_gain(self, arm: Fact) -> Iterable[Tex]:
        """What groups of tasks gain against other ways of grouping, level by level."""
        for told in arm["gains"]:
            each = "; ".join(self._between_ways(one) for one in told["contrasts"])
            yield Tex(f"With {escape(self._arm_level(arm, told['level']))}: {each}.")

    def _between_ways(self, one: Fact) -> str:
        key, beaten = one["key"], ""
        if one["random"]:
            beaten = f", above {self.val(key, 'better')} of {self.val(key, 'partitions')} partitions"
        tested = f"{self.span(key)}, $p{self.val(key, 'p')}${beaten}"
        return f"{escape(one['contrast'])} ${self.val(key, 'difference')}$ ({tested})"

    def _arm_level(self, arm: Fact, level: str) -> str:
        if arm["masking"] == "all":
            return "all labels" if level == "all" else f"{level} labels of the largest task"
        return f"{level} % of labels" if arm["masking"] == "kept" else f"{level} common alloys"

    def overlap_in_short(self) -> Tex:
        """Where agreement with relations changes with the overlap alone, in one sentence; empty where no arm tells."""
        arms = [arm for arm in self.facts["overlap"]["arms"] if arm["several"] and arm["masking"] in PREDICTED]
        said = []
        for estimator, what in ESTIMATED.items():
            changes = [one["change"] for arm in arms for one in arm["agreement"] if one["estimator"] == estimator]
            signs = [change["sign"] for change in changes if change]
            if signs:
                up, down = signs.count("above"), signs.count("below")
                fell = f" and falls in {down}" if down else ""
                said.append(Tex(f"with {what} it rises in {up}{fell} of {len(signs)} arms"))
        if not said:
            return Tex("")
        return Tex(f"Agreement of gradients with relations between tasks, as overlap alone changes: {listing(said)}.")
