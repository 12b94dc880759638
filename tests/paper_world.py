"""The study-level files of a made-up study, without a single training run: every table that the paper room reads."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd

from alloymtl.evaluation import claims, compare, conflict, synergy
from alloymtl.evaluation import metrics as measure
from alloymtl.evaluation.balancing import costs, delta_tables, equivalence, norms
from alloymtl.files import write_csv, write_json, write_parquet
from paper_world_data import REPEATED, write_leakage, write_profile

CELL = ["method", "level", "split_seed", "seed"]
FILES = {
    **dict.fromkeys(("metrics", "comparisons", "relations", "histories", "predictions", "split"), "parquet"),
    **dict.fromkeys(("runs", "gradients", "similarity", "conflict", "tails", "synergy"), "parquet"),
    **{
        "level_comparisons": "parquet",
        "ingest": "json",
        "claims": "csv",
        "audit": "csv",
        "leakage": "csv",
        "rejects": "csv",
    },
    **dict.fromkeys(("delta", "delta_levels", "ranks"), "parquet"),
    **dict.fromkeys(("equivalence", "norms", "norm_points", "balancing_costs"), "parquet"),
    **dict.fromkeys(("profile_tasks", "profile_histograms", "profile_overlap", "profile_elements"), "csv"),
}
CLAIMS = Path(__file__).parents[1] / "paper/reported/2512.22740/claims.yaml"
GAINS = CLAIMS.parents[1] / "2509.23915/tables.csv"
OVERLAP = CLAIMS.parents[1] / "2604.07848"
MOST_TEST_ROWS = 300  # predictions drawn for a task, so that large made-up tasks stay quick
TAILS = ["max_error_z", "p95_error_z", "p99_error_z", "worst10_mae_z"]
AUDIT = ["check", "where", "severity", "found", "verdict", "mend"]


class MadeUpStudy:
    """Writes what the steps of the paper read; metrics and tests follow from the predictions.

    Args:
        root: folder of its files.
        spec: the study as ``Study.to_paper_dict`` says it.
        sizes: labels of each task.
        noise: how far the predictions of each method stray.
        relations: methods that learn relations between tasks.
        similar: methods whose backbones are compared.
    """

    def __init__(self, root, spec, sizes, noise, relations=(), similar=()):
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.spec, self.sizes, self.noise = root, spec, sizes, noise
        self.related, self.similar = relations, similar
        self.inputs = {name: root / f"{name}.{kind}" for name, kind in FILES.items()}
        self.inputs["balancing_reported"] = GAINS
        self.inputs["overlap_reported"] = OVERLAP / "threshold.csv"
        self.inputs["overlap_reported_values"] = OVERLAP / "values.csv"
        self.tasks = [t["name"] for t in spec["tasks"]]
        self.experiments = {e["name"]: e for e in spec["experiments"]}
        self._rng = np.random.default_rng(7)
        self._write_data()
        write_profile(self)
        write_leakage(self)
        self._write_runs()
        self.compare()
        self._write_diagnostics()
        self._write_evaluation()

    @property
    def again(self):
        """Rows of each task that are second measurements of an alloy."""
        return REPEATED if self.spec["data"]["repeats"] == "keep" else 0

    @property
    def alloys(self):
        """Distinct alloys of each task."""
        return {task: n - self.again for task, n in self.sizes.items()}

    def rows_of(self, task):
        """Ids of a task's rows, the last ones second measurements of the alloys before them where these are kept."""
        alloys = [f"{task}{i}" for i in range(self.alloys[task])]
        return [*alloys, *(f"{alloy}#2" for alloy in alloys[len(alloys) - self.again :])]

    def cells(self):
        """(method, level, split seed, seed) of each run, each once, and whether its predictions are kept."""
        kept = {}
        for e in self.spec["experiments"]:
            keep = e["name"] == "main" or "predictions" in e["keep"]
            for cell in product(e["methods"], map(str, e["levels"]), e["split_seeds"], e["seeds"]):
                kept[cell] = kept.get(cell, False) or keep
        return kept.items()

    def runs_of(self, method):
        """(level, split seed, seed) of each run of a method."""
        return [cell[1:] for cell, _ in self.cells() if cell[0] == method]

    def _write_data(self):
        rows = []
        for split_seed in sorted({s for e in self.spec["experiments"] for s in e["split_seeds"]}):
            for task, n in self.sizes.items():
                held_out = -(-n * 15 // 100)  # each part rounded up
                parts = np.repeat(["train", "validation", "test"], [n - 2 * held_out, held_out, held_out])
                names = self.rows_of(task)
                order = np.random.default_rng([split_seed, n]).permutation(n)
                table = {"split_seed": split_seed, "alloy": names, "task": task, "partition": parts, "order": order}
                rows.append(pd.DataFrame(table))
        write_parquet(self.inputs["split"], pd.concat(rows))
        merged = 0 if self.again else 3
        sources = [
            {"path": f"raw/{t}.csv", "task": t, "sha256": "", "rows": n + merged + 2, "accepted": n, "merged": merged}
            for t, n in self.sizes.items()
        ]
        lent = {"rejected": 2, "traces": 0}
        sources = [{**s, **lent, "tables": [{"of": "labels", "path": s["path"], "ignored": 0}]} for s in sources]
        found = {"format": "delimited", "encoding": "cp949", "separator": ";", "decimal": ",", "sheet": None}
        found |= {"of": "labels", "member": "", "skipped": 0}
        readings = [
            {"source": n, "task": s["task"], "file": s["path"], "rows": s["rows"], **found}
            for n, s in enumerate(sources)
        ]
        rejected = {"rule": "id.duplicate", "reason": "duplicate id"}
        summary = [{"task": t, **rejected, "rows": 2} for t in self.sizes]
        rejects = [{"file": s["path"], "row": n, "task": s["task"], **rejected} for s in sources for n in (7, 9)]
        write_csv(self.inputs["rejects"], pd.DataFrame(rejects))
        pairs = {f"{a}|{b}": 0 for a, b in combinations(self.sizes, 2)}
        reasons = {"duplicate id": 2 * len(self.sizes)}
        report = {"sources": sources, "reasons": reasons, "invalid": 0, "first_invalid": None}
        kinds = {t["name"]: t["kind"] for t in self.spec["tasks"]}
        classes = {t: {"0": n - n // 3, "1": n // 3} for t, n in self.alloys.items() if kinds[t] == "classification"}
        report |= {"classes": classes, "readings": readings, "summary": summary}
        report |= {"alloys": sum(self.alloys.values()), "labelled": self.alloys, "labels": self.sizes, "overlap": pairs}
        write_json(self.inputs["ingest"], report)

    def _write_runs(self):
        predictions, scores, histories, relations, runs = [], [], [], [], []
        followed = [e for e in self.spec["experiments"] if e["name"] == "main" or "histories" in e["keep"]]
        for cell, keep in self.cells():
            run = dict(zip(CELL, cell, strict=True))
            drawn = [e for e in followed if run["method"] in e["methods"] and run["level"] in map(str, e["levels"])]
            for task in self.spec["tasks"]:
                table, values = self._predict(task, run["method"])
                named = {"task": task["name"], "partition": "test"}
                scores += [{**run, **named, "metric": k, "value": v} for k, v in values.items()]
                if keep:
                    predictions.append(pd.DataFrame({**run, **named, **table}))
                if drawn:
                    histories.append(self._history(run, task["name"]))
            if run["method"] in self.related:
                for receiver, source in product(self.tasks, self.tasks):
                    strength = float(self._rng.beta(1, 60))
                    relations.append({**run, "task": receiver, "source": source, "strength": strength})
            epochs = int(self._rng.integers(60, 140))
            cost = {"epochs": epochs, "best_epoch": epochs - 30, "steps": 1182 * epochs, "seconds": 0.7 * epochs}
            searched = self.spec["methods"][run["method"]]["balancer"]["name"] == "grid_search"
            cost |= {"trainings": 49, "seconds": 49 * cost["seconds"]} if searched else {"trainings": 1}
            runs.append({**run, **cost, "engine": "compiled", "predictions_sha256": f"{len(runs):064x}"})
        write_parquet(self.inputs["metrics"], pd.DataFrame(scores))
        write_parquet(self.inputs["predictions"], pd.concat(predictions))
        write_parquet(self.inputs["histories"], pd.concat(histories))
        self._write("relations", relations, [*CELL, "task", "source", "strength"])
        self._write("runs", runs, list(runs[0]))

    def compare(self):
        outputs = {name: self.inputs[name] for name in ("comparisons", "level_comparisons")}
        compare.step(self.spec, {name: self.inputs[name] for name in ("metrics", "split")}, outputs)

    def _predict(self, task, method):
        n = min(-(-self.sizes[task["name"]] * 15 // 100), MOST_TEST_ROWS)
        fixed = np.random.default_rng([n, len(task["name"])])  # test alloys are the same in every run
        noise = self.noise[method] * (1 + 0.1 * self._rng.normal())
        alloys = [f"{task['name']}{i}" for i in range(n)]
        if task["kind"] == "regression":
            y = 120 + 40 * fixed.normal(size=n)
            guess = y + 40 * noise * self._rng.standard_t(4, size=n)
            values = measure.regression(y, guess, 40.0)
        else:
            y = (fixed.uniform(size=n) < 0.4).astype(float)
            guess = 1 / (1 + np.exp(-(2 * y - 1) / noise - 1.2 * self._rng.normal(size=n)))
            values = measure.classification(y.astype(int), guess, 0.5)
        return {"alloy": alloys, "target": y, "prediction": guess}, values

    def _history(self, run, task):
        n = int(self._rng.integers(60, 140))
        epoch = np.arange(1, n + 1)
        loss = self.noise[run["method"]] ** 2 + 0.9 * np.exp(-epoch / 18) + 0.01 * np.abs(self._rng.normal(size=n))
        parts = [("train", loss * 0.8), ("validation", loss)]
        return pd.concat(
            pd.DataFrame({**run, "epoch": epoch, "task": task, "partition": p, "loss": v, "learning_rate": 0.001})
            for p, v in parts
        )

    def _write(self, name, rows, columns):
        write_parquet(self.inputs[name], pd.DataFrame(rows, columns=columns))

    def _write_diagnostics(self):
        """Gradients of the experiment that keeps them, their conflict, and the likeness of backbones."""
        names = ["first", "second", "measure"]
        gradients, similarity = [], []
        keeping = [e for e in self.spec["experiments"] if "gradients" in e["keep"]]
        measured = {c for e in keeping for c in product(e["methods"], map(str, e["levels"]))}
        for cell in [c for c, _ in self.cells() if c[:2] in measured]:
            run = dict(zip(CELL, cell, strict=True))
            weighs = self.spec["methods"][run["method"]]["balancer"]["name"] != "none"
            for epoch, (first, second) in product(range(0, 40), [*combinations(self.tasks, 2)]):
                base = {**run, "epoch": epoch, "first": first, "second": second}
                for kind, n in {"cosine": 37, "cosine_sd": 37, "cosine_large": 512, "product_halves": 512}.items():
                    value = abs(self._rng.normal(0.2, 0.01)) if kind == "cosine_sd" else self._rng.normal(0.02, 0.05)
                    gradients.append({**base, "measure": kind, "value": float(value), "n": n})
            for epoch, task in product(range(0, 40), self.tasks):
                value = float(self._rng.normal(1, 0.02))
                base = {**run, "epoch": epoch, "first": task, "second": task}
                gradients.append({**base, "measure": "product_halves", "value": value, "n": 512})
                norm = float(self._rng.lognormal(1.5 * self.tasks.index(task), 0.1))
                scaled = float(self._rng.lognormal(0, 0.05)) if weighs else norm
                lengths = {"norm": norm, "norm_scaled": scaled}
                gradients += [{**base, "measure": m, "value": v, "n": 37} for m, v in lengths.items()]
        for cell in (c for c, _ in self.cells() if c[0] in self.similar):
            run = dict(zip(CELL, cell, strict=True))
            for pair, kind in product(combinations(self.tasks, 2), ("weight_cosine", "cka")):
                value = float(1 - 0.1 * self._rng.beta(1, 20))
                similarity.append({**run, "first": pair[0], "second": pair[1], "measure": kind, "value": value})
        self._write("gradients", gradients, [*CELL, "epoch", *names, "value", "n"])
        conflict.step(self.spec, {"gradients": self.inputs["gradients"]}, {"conflict": self.inputs["conflict"]})
        self._write("similarity", similarity, [*CELL, *names, "value"])

    def _write_evaluation(self):
        """Tails, synergy, the verdicts on claims, and a few findings of the audit."""
        metrics = pd.read_parquet(self.inputs["metrics"])
        self.scores = metrics.set_index(["method", "level", "task", "metric"]).sort_index()
        self._write_tails()
        synergy.step(self.spec, {"metrics": self.inputs["metrics"]}, {"synergy": self.inputs["synergy"]})
        gains = {name: self.inputs[name] for name in ("delta", "delta_levels", "ranks")}
        delta_tables.step(self.spec, {"metrics": self.inputs["metrics"]}, gains)
        for module, outputs in ((equivalence, ["equivalence"]), (norms, ["norms", "norm_points"])):
            module.step(self.spec, self.inputs, {name: self.inputs[name] for name in outputs})
        costs.step(self.spec, self.inputs, {"balancing_costs": self.inputs["balancing_costs"]})
        files = [name for name in self.inputs if name not in ("claims", "audit")]
        reported = {"reported": CLAIMS} if self.spec["reported"] else {}
        claims.step(self.spec, {n: self.inputs[n] for n in files} | reported, {"claims": self.inputs["claims"]})
        write_csv(self.inputs["audit"], pd.DataFrame(AUDIT_ROWS, columns=AUDIT))

    def _write_tails(self):
        kept = dict.fromkeys(cell[:2] for cell, keep in self.cells() if keep)
        regression = [t["name"] for t in self.spec["tasks"] if t["kind"] == "regression"]
        pairs = {m: (e["name"], b) for e in reversed(self.spec["experiments"]) for b, m in reversed(e["comparisons"])}
        rows = []
        for (method, level), task, metric in product(kept, regression, TAILS):
            experiment, baseline = pairs.get(method, ("main", method))
            value = float(self.scores.loc[(method, level, task, metric), "value"].mean())
            own = float(self.scores.loc[(baseline, level, task, metric), "value"].mean())
            row = {"method": method, "level": level, "task": task, "metric": metric, "value": value}
            row |= {"ci_low": 0.8 * value, "ci_high": 1.3 * value, "experiment": experiment, "baseline": baseline}
            row |= {"difference": value - own, "diff_low": value - own - 0.2, "diff_high": value - own + 0.3}
            rows.append({**row, "ratio": value / own, "ratio_low": 0.8 * value / own, "ratio_high": 1.2 * value / own})
        columns = ["method", "level", "task", "metric", "value", "ci_low", "ci_high", "experiment", "baseline"]
        columns += ["difference", "diff_low", "diff_high", "ratio", "ratio_low", "ratio_high"]
        self._write("tails", rows, columns)


AUDIT_ROWS = [
    (
        "rows that agree",
        "arXiv:0000.00000v1, table 6",
        "high",
        "0.869, 0.767, 0.729 stand twice.",
        "red flag",
        "",
    ),
    ("p-values", "arXiv:0000.00000v1, table 3", "high", "p = 0.617; means and SDs allow less than 0.05.", "note", "-"),
    ("p-values", "study made_up, table 3", "low", "-0.1 & its interval fit.", "ok", ""),
]
