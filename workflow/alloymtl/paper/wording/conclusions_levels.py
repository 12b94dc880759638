"""What follows from fewer or more labels of the largest task, in sentences that the tests of its levels choose."""

from __future__ import annotations

from alloymtl.paper.latex import Tex, listing
from alloymtl.paper.wording.findings import Fact, Findings


class OnLevels(Findings):
    """Sentences on the levels of the largest task."""

    def level(self, found: Fact) -> Tex:
        """How one method fares on one task from the smallest level to the largest."""
        key, last, verdicts = found["key"], found["largest"], found["verdicts"]
        name = f"{self.prose.method(found['method'])} on {self.prose.task(found['task'])}"
        said = [
            f"{name} goes from ${self._level(found, found['smallest'])}$ with {self.prose.level(found['smallest'])} to "
            f"${self._level(found, last)}$ with {self._all(last)}"
        ]
        if found["best"] in (found["smallest"], last):
            said[0] += f", and is best with {'the fewest' if found['best'] == found['smallest'] else 'the most'}"
        else:
            said[0] += f", and is best, ${self._level(found, found['best'])}$, with {self.prose.level(found['best'])}"
        said[0] += self._reported_level(found) + "."
        for verdict, word in {"worse": "worse", "better": "better"}.items():
            at = [level for level, fell in verdicts.items() if fell == verdict]
            if at:
                shown = last if last in at else at[-1]
                levels = listing(self._all(level) for level in at)
                change = f"$\\Delta={self.val(key, shown, 'difference')}$, {self.span(f'{key}.{shown}')}"
                said.append(
                    f"It is {word} than at the smallest level with {levels} ({change} with {self._all(shown)})."
                )
        if not {"worse", "better"} & set(verdicts.values()):
            said.append(
                f"No level is shown to differ from the smallest; the interval of the change to the largest is "
                f"{self.span(f'{key}.{last}')}."
            )
        return Tex(" ".join(said))

    def kept(self, experiment: str) -> Tex:
        """How many labels of the largest task the levels of an experiment keep."""
        levels = self.prose.study.experiments[experiment].levels
        return listing((Tex("all of them") if level == "all" else self.prose.level(level) for level in levels), "or")

    def levels_together(self, size: list[Fact], control: list[Fact], held: str) -> Tex:
        """What a control says about a fall from the smallest level to the largest.

        Args:
            size: the levels as trained.
            control: the levels with something held equal.
            held: what is held equal: ``steps`` or ``weights``.
        """
        fell = [
            list(dict.fromkeys(f["task"] for f in s if f["verdicts"][f["largest"]] == "worse")) for s in (size, control)
        ]
        both = [task for task in fell[0] if task in fell[1]]
        only_size, only_control = ([t for t in a if t not in b] for a, b in (fell, fell[::-1]))
        cause = {"steps": "their number", "weights": "their change with the level"}[held]
        said = []
        if both:
            where = self.prose.tasks(both)
            said.append(f"The fall on {where} stays when {held} are equal: {cause} alone does not explain it.")
        if only_size:
            where = self.prose.tasks(only_size)
            said.append(f"The fall on {where} is not shown when {held} are equal, so that {cause} may be behind it.")
        if only_control:
            said.append(f"On {self.prose.tasks(only_control)} a fall is shown with equal {held} alone.")
        if not any(fell):
            said.append("Neither way is a fall from the smallest level to the largest shown.")
        return Tex(" ".join(said))

    def levels_in_short(self) -> Tex:
        """Whether the other tasks fall or rise as the largest one grows."""
        found = self.facts["levels"].get("imbalance", next(iter(self.facts["levels"].values())))
        reduced = self.prose.task(self.facts["reduced"])
        said = []
        for verdict, word in {"worse": "worse", "better": "better"}.items():
            tasks = dict.fromkeys(f["task"] for f in found if f["verdicts"][f["largest"]] == verdict)
            if tasks:
                said.append(f"{self.prose.tasks(tasks)} {'fare' if len(tasks) > 1 else 'fares'} {word}")
        if not said:
            return Tex(f"From few labels of {reduced} to all, no change is shown on the other properties.")
        return Tex(f"From few labels of {reduced} to all, {' and '.join(said)}.")

    def _level(self, found: Fact, level: str) -> Tex:
        return Tex(rf"{self.val(found['key'], level, 'mean')}\pm{self.val(found['key'], level, 'sd')}")

    def _all(self, level: str) -> Tex:
        return Tex("all") if level == "all" else self.prose.level(level)

    def _reported_level(self, found: Fact) -> str:
        best = self.facts.get("reported_levels", {}).get(found["task"])
        key = ("reported.level", found["method"], found["task"], best, "mean")
        if best is None or not self.prose.has(*key):
            return ""
        return f"; the best of the reported means, ${self.val(*key)}$, is the one with {self._all(best)}"
