"""What remedies bring, and how the reported paper fares beside this study, in sentences that results choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.wording.findings import SHORT, Fact, Findings, Test

FINDINGS = {
    "red flag": ("red flag", "red flags"),
    "note": ("note", "notes"),
    "ok": ("check with nothing amiss", "checks with nothing amiss"),
}


class OnReported(Findings):
    """Sentences on remedies and on the reported paper."""

    def verdict(self, test: Test) -> Tex:
        """What a test came to, with its evidence."""
        words = {
            "better": "a gain is shown here too",
            "worse": "here it is worse",
            "not shown": "no gain is shown",
            "identical": "both give the same results",
        }
        return Tex(f"{words[test['verdict']]} ({self.strength(test)})")

    def twins(self, pairs: Iterable[Sequence[str]]) -> Tex:
        """Groups of methods, the name of their experiment first: ``A and B, and those of C and D``."""
        return Tex(", and those of ".join(self.prose.methods(pair[1:]) for pair in pairs))

    def valued(self, found: list[Fact]) -> Tex:
        """Methods and tasks with a value and its interval, without these where they are many."""
        if len(found) > SHORT:
            return self.cases(found)
        named = (f"{self.prose.method(f['method'])} on {self.prose.task(f['task'])}" for f in found)
        numbers = (f"(${self.val(f['key'], 'value')}$, {self.span(f['key'])})" for f in found)
        return Tex("; ".join(f"{name} {number}" for name, number in zip(named, numbers, strict=True)))

    def best_remedies(self) -> Tex:
        """The best mean of a remedy on each task beside that of the main baseline, where this one shares nothing."""
        study = self.prose.study
        ranking = self.facts["ranking"].get("mitigation", {})
        tested = {t["method"] for t in self.tests("mitigation")}
        if study.methods[study.baseline].architecture != "independent" or not tested:
            return Tex("")
        best = {task: next(method for method in order if method in tested) for task, order in ranking.items()}
        return listing(
            Tex(
                f"{self.prose.leading(task)} ${self.score(task, method, 'mitigation')}$ ({self.prose.method(method)}) "
                f"against ${self.score(task, study.baseline)}$ on {self.prose.task(task)}"
            )
            for task, method in best.items()
        )

    def claims(self) -> Tex:
        """How many claims each verdict fell on, without a full stop."""
        found = self.facts["claims"]
        return listing(
            Tex(f"{self.val('claims', verdict.replace(' ', '_'))} {'is' if n == 1 else 'are'} {escape(verdict)}")
            for verdict, n in found.items()
            if n
        )

    def audit(self) -> Tex:
        """How many findings of the audit there are of each kind, for the reported tables and for the study's own."""
        said = []
        for whose, found in self.facts["audit"].items():
            each = listing(
                Tex(f"{self.val('audit', whose, place)} {_finding(verdict, n)}")
                for place, (verdict, n) in enumerate(found.items())
            )
            start = "For the printed numbers" if whose == "reported" else "For those of this study"
            said.append(f"{start} the table lists {each}.")
        return Tex(" ".join(said))


def _finding(verdict: str, n: int) -> Tex:
    """A finding of the audit as a noun in the number that fits."""
    one, many = FINDINGS.get(verdict, (f"time ``{escape(verdict)}''", f"times ``{escape(verdict)}''"))
    return Tex(one if n == 1 else many)
