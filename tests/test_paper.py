"""The paper room: tables, figures, numbers and the PDF of a made-up study with any tasks and any methods."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alloymtl.errors import UserError
from alloymtl.evaluation import compare
from alloymtl.evaluation import metrics as measure
from alloymtl.files import write_json, write_parquet
from alloymtl.paper import figures, layout, numbers, render, tables, templates
from alloymtl.paper.latex import Tex
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.store import Store

REPOSITORY = Path(__file__).parents[1]
TEMPLATES = REPOSITORY / "paper"
EVALUATION = {
    "regression": ["r2", "rmse_z", "mae_z"],
    "classification": ["f1", "accuracy", "auc", "recall"],
    "alpha": 0.05,
    "threshold": 0.5,
}
TRAINING = {
    "engine": "reference",
    "hidden": [128, 128],
    "dropout": 0.3,
    "batch_size": 32,
    "learning_rate": 0.001,
    "weight_decay": 0.0001,
    "max_epochs": 200,
    "patience": 30,
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "checkpoint_seconds": 30,
}
DATA = {
    "elements": ["Al", "Co", "Fe", "Ni"],
    "composition_tolerance": 0.01,
    "decimals": 2,
    "invalid_rows": "stop",
    "other_elements": "stop",
    "repeats": "mean",
}


class MadeUpStudy:
    """Writes the study-level files that the steps of the paper read; metrics and tests follow from the predictions."""

    def __init__(self, root, spec, sizes, noise, relations=()):
        self.root, self.spec, self.sizes, self.noise, self.related = root, spec, sizes, noise, relations
        self.inputs = {
            name: root / f"{name}.{kind}"
            for name, kind in {
                "metrics": "parquet",
                "comparisons": "parquet",
                "relations": "parquet",
                "histories": "parquet",
                "predictions": "parquet",
                "split": "parquet",
                "ingest": "json",
            }.items()
        }
        self._rng = np.random.default_rng(7)
        self._write_data()
        self._write_runs()

    def cells(self):
        for e in self.spec["experiments"]:
            for method in e["methods"]:
                for split_seed in e["split_seeds"]:
                    for seed in e["seeds"]:
                        yield method, split_seed, seed

    def _write_data(self):
        rows = []
        for split_seed in self.spec["experiments"][0]["split_seeds"]:
            for task, n in self.sizes.items():
                parts = np.repeat(["train", "validation", "test"], [n - 2 * (n * 15 // 100), *[n * 15 // 100] * 2])
                names = [f"{task}{i}" for i in range(n)]
                rows.append(pd.DataFrame({"split_seed": split_seed, "alloy": names, "task": task, "partition": parts}))
        write_parquet(self.inputs["split"], pd.concat(rows).assign(order=0))
        tasks = list(self.sizes)
        sources = [
            {"path": f"{t}.csv", "task": t, "sha256": "", "rows": n + 5, "accepted": n, "merged": 3, "rejected": 2}
            for t, n in self.sizes.items()
        ]
        pairs = {f"{a}|{b}": 0 for i, a in enumerate(tasks) for b in tasks[i + 1 :]}
        report = {"sources": sources, "reasons": {"duplicate id": 2 * len(tasks)}, "invalid": 0, "first_invalid": None}
        kinds = {t["name"]: t["kind"] for t in self.spec["tasks"]}
        classes = {t: {"0": n - n // 3, "1": n // 3} for t, n in self.sizes.items() if kinds[t] == "classification"}
        report |= {"classes": classes}
        report |= {"alloys": sum(self.sizes.values()), "labels": dict(self.sizes), "overlap": pairs}
        write_json(self.inputs["ingest"], report)

    def _write_runs(self):
        predictions, scores, histories, relations = [], [], [], []
        for method, split_seed, seed in self.cells():
            run = {"method": method, "level": "all", "split_seed": split_seed, "seed": seed}
            for task in self.spec["tasks"]:
                table, values = self._predict(task, method, seed)
                predictions.append(pd.DataFrame({**run, "task": task["name"], "partition": "test", **table}))
                named = {"task": task["name"], "partition": "test"}
                scores += [{**run, **named, "metric": k, "value": v} for k, v in values.items()]
                histories.append(self._history(run, task["name"], method))
            if method in self.related:
                for receiver in self.sizes:
                    for source in self.sizes:
                        strength = float(self._rng.beta(1, 60))
                        relations.append({**run, "task": receiver, "source": source, "strength": strength})
        columns = ["method", "level", "split_seed", "seed", "task", "source", "strength"]
        write_parquet(self.inputs["metrics"], pd.DataFrame(scores))
        write_parquet(self.inputs["predictions"], pd.concat(predictions))
        write_parquet(self.inputs["histories"], pd.concat(histories))
        write_parquet(self.inputs["relations"], pd.DataFrame(relations, columns=columns))
        self.compare()

    def compare(self):
        compare.step(self.spec, {"metrics": self.inputs["metrics"]}, {"comparisons": self.inputs["comparisons"]})

    def _predict(self, task, method, seed):
        n = self.sizes[task["name"]] * 15 // 100
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

    def _history(self, run, task, method):
        n = int(self._rng.integers(60, 140))
        epoch = np.arange(1, n + 1)
        loss = self.noise[method] ** 2 + 0.9 * np.exp(-epoch / 18) + 0.01 * np.abs(self._rng.normal(size=n))
        parts = [("train", loss * 0.8), ("validation", loss)]
        return pd.concat(
            pd.DataFrame({**run, "epoch": epoch, "task": task, "partition": p, "loss": v, "learning_rate": 0.001})
            for p, v in parts
        )


def method(values):
    parts = {"loss": "mse", "sampler": "uniform", **{k: values[k] for k in ("architecture", "balancer")}}
    named = {k: {"name": name, "options": values.get("options", {}).get(k, {})} for k, name in parts.items()}
    return {"title": values["title"], **named, "training": {**TRAINING, **values.get("training", {})}}


def make(root, tasks, methods, comparisons, seeds=(42, 123, 456, 789, 1024), simulated=True, **more):
    root.mkdir(parents=True, exist_ok=True)
    names = list(methods)
    spec = {
        "study": "made_up",
        "simulated": simulated,
        "tasks": [{"name": n, **t} for n, t in tasks.items()],
        "methods": {n: method(m) for n, m in methods.items()},
        "experiments": [
            {
                "name": "main",
                "methods": names,
                "comparisons": comparisons,
                "levels": ["all"],
                "split_seeds": more.pop("split_seeds", [42]),
                "seeds": list(seeds),
            }
        ],
        "evaluation": EVALUATION,
        "paper": {"title": "When does learning fail?", "authors": ["A. N. Author"], "data_statement": "Made up & odd."},
        "split": {"kind": "stratified", "validation": 0.15, "test": 0.15, "strata": 10},
        "data": DATA,
        "simulation": {"seed": 6} if simulated else None,
    }
    sizes = more.pop("sizes")
    noise = {n: m["noise"] for n, m in methods.items()}
    return MadeUpStudy(root, spec, sizes, noise, relations=more.pop("relations", ()))


THREE_TASKS = {
    "resistivity": {"kind": "regression", "title": "Resistivity", "unit": "uohm_cm"},
    "hardness": {"kind": "regression", "title": "Hardness", "unit": "GPa"},
    "amorphous": {
        "kind": "classification",
        "title": "Amorphous",
        "unit": "",
        "positive": "amorphous",
        "negative": "crystalline",
    },
}
SHARED_HEAD = {"architecture": {"head": 64}, "balancer": {"power": 1.0}}
GRAPH = {"head": 64, "embedding": 64, "alpha": 0.1, "lambda_sparse": 0.01, "lambda_self": 0.01}
THREE_METHODS = {
    "independent": {
        "title": "Independent",
        "architecture": "independent",
        "balancer": "none",
        "options": {"architecture": {"head": 0}},
        "noise": 0.3,
    },
    "hard": {
        "title": "Standard MTL",
        "architecture": "hard",
        "balancer": "inverse_size",
        "options": SHARED_HEAD,
        "noise": 0.4,
    },
    "structured": {
        "title": "Structured MTL",
        "architecture": "structured",
        "balancer": "inverse_size",
        "options": {**SHARED_HEAD, "architecture": GRAPH},
        "noise": 0.41,
    },
}
THREE_PAIRS = [["independent", "hard"], ["independent", "structured"], ["hard", "structured"]]
TWO_TASKS = {
    "density_at_rt": {"kind": "regression", "title": "Density_{RT} & more", "unit": "g/cm^3"},
    "tc": {"kind": "regression", "title": "Transition temperature", "unit": "furlong_per_day", "transform": "log10"},
}
TWO_METHODS = {
    "alone": {
        "title": "Alone",
        "architecture": "independent",
        "balancer": "none",
        "options": {"architecture": {"head": 32}},
        "noise": 0.4,
    },
    "joint": {
        "title": "Joint 50%",
        "architecture": "house_made",
        "balancer": "none",
        "training": {"dropout": 0.1},
        "noise": 0.3,
    },
}


def three(root, **more):
    sizes = {"resistivity": 4000, "hardness": 800, "amorphous": 840}
    return make(root, THREE_TASKS, THREE_METHODS, THREE_PAIRS, sizes=sizes, relations=["structured"], **more)


def two(root, **more):
    sizes = {"density_at_rt": 300, "tc": 200}
    return make(root, TWO_TASKS, TWO_METHODS, [["alone", "joint"]], simulated=False, sizes=sizes, **more)


def paths(names):
    return {name: Path(path) for name, path in names.items()}


def run_tables(study, root):
    files = paths(layout.table_files(str(root)))
    tables.step(study.spec, study.inputs, files)
    return files


def run_figures(study, root):
    files = paths(layout.figure_files(str(root)))
    figures.step(study.spec, study.inputs, files)
    return files


def run_numbers(study, root):
    files = {"numbers": root / "paper/numbers.tex", "numbers_json": root / "paper/numbers.json"}
    numbers.step(study.spec, study.inputs, files)
    return files


def run_render(study, root, templates=TEMPLATES):
    files = {"pdf": "paper.pdf", "tex": "paper.tex", "source": "paper-arxiv.tar.gz"}
    files = {name: root / "paper" / file for name, file in files.items()}
    render.step(study.spec, paths(layout.render_files(str(root), templates)), files)
    return files


def build(study, root):
    return {**run_tables(study, root), **run_figures(study, root), **run_numbers(study, root)}


needs_latex = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk or pdflatex is not installed"
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    study = three(root / "in")
    return study, root, build(study, root)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    study = two(root / "in")
    return study, root, build(study, root)


@pytest.fixture(params=["simulated", "measured"])
def either(request):
    return request.getfixturevalue(request.param)


def without(study, root, name, drop):
    """A copy of a study's inputs in which some rows of one file are gone or changed."""
    changed = drop(pd.read_parquet(study.inputs[name]))
    write_parquet(root / f"{name}.parquet", changed)
    copy = object.__new__(MadeUpStudy)
    copy.spec, copy.inputs = study.spec, {**study.inputs, name: root / f"{name}.parquet"}
    return copy


def test_layout_imports_nothing_heavy():
    code = "import sys, alloymtl.paper.layout; print(sorted({'numpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(REPOSITORY / "workflow"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_table_and_figure_has_a_maker():
    assert set(tables.REGISTRY) == set(layout.TABLES)
    assert set(figures.DRAWINGS) == set(layout.FIGURES)


def test_any_study_gives_every_table_figure_and_number(either):
    _, _, files = either
    assert all(path.stat().st_size > 0 for path in files.values())


def test_same_input_gives_the_same_bytes(either, tmp_path):
    study, _, files = either
    for name, path in build(study, tmp_path).items():
        assert path.read_bytes() == files[name].read_bytes(), name


def test_table1_counts_labels_and_distinct_alloys(simulated):
    study, _, files = simulated
    table = pd.read_csv(files["table1_data_csv"]).set_index("task")
    split = pd.read_parquet(study.inputs["split"])
    for task in study.sizes:
        assert table.loc[task, "test"] == ((split["task"] == task) & (split["partition"] == "test")).sum()
        assert table.loc[task, ["train", "validation", "test"]].sum() == table.loc[task, "alloys"] == study.sizes[task]
    assert table.loc["union", "alloys"] == split["alloy"].nunique()


def test_table2_is_mean_and_sd_over_runs(either):
    study, _, files = either
    table = pd.read_csv(files["table2_comparison_csv"])
    metrics = pd.read_parquet(study.inputs["metrics"]).query("partition == 'test'")
    expected = metrics.groupby(["method", "task", "metric"])["value"].agg(["mean", "std"])
    shown = [(t["name"], metric) for t in study.spec["tasks"] for metric in EVALUATION[t["kind"]]]
    wanted = [(method, *row) for method in study.spec["methods"] for row in shown]
    assert sorted(wanted) == sorted(table[["method", "task", "metric"]].itertuples(index=False, name=None))
    for row in table.itertuples():
        np.testing.assert_allclose([row.mean, row.sd], expected.loc[(row.method, row.task, row.metric)])


def test_bold_is_best_and_errors_are_better_small(simulated):
    _, _, files = simulated
    table = pd.read_csv(files["table2_comparison_csv"])
    for (_, metric), rows in table.groupby(["task", "metric"]):
        best = rows["mean"].min() if metric.endswith("_z") else rows["mean"].max()
        assert rows.loc[rows["mean"] == best, "best"].all()
        assert (np.round(rows.loc[rows["best"], "mean"], 3) == np.round(best, 3)).all()


def test_marks_of_significance_follow_the_corrected_test(tmp_path):
    methods = {n: {**m, "noise": {"hard": 0.9}.get(n, 0.3)} for n, m in THREE_METHODS.items()}
    sizes = {"resistivity": 900, "hardness": 800, "amorphous": 840}
    study = make(tmp_path, THREE_TASKS, methods, THREE_PAIRS, sizes=sizes, relations=["structured"])
    table = pd.read_csv(run_tables(study, tmp_path)["table2_comparison_csv"])
    tests = pd.read_parquet(study.inputs["comparisons"])
    holm = tests[tests["baseline"] == "independent"].set_index(["method", "task", "metric"])["p_holm"]
    assert table["significant"].any()
    for row in table.itertuples():
        p = holm.get((row.method, row.task, row.metric), 1.0)
        assert row.significant == (p < EVALUATION["alpha"])
    assert (tmp_path / "tables/table2_comparison.tex").read_text().count(r"\ast") == table["significant"].sum()


def test_table3_holds_every_comparison_on_the_first_metric(simulated):
    study, _, files = simulated
    table = pd.read_csv(files["table3_tests_csv"])
    tests = pd.read_parquet(study.inputs["comparisons"])
    first = {t["name"]: EVALUATION[t["kind"]][0] for t in study.spec["tasks"]}
    expected = tests[tests["metric"] == tests["task"].map(first)]
    columns = ["baseline", "method", "task", "mean_difference", "ci_low", "ci_high", "t", "df", "p_value", "p_holm"]
    pd.testing.assert_frame_equal(table[columns], expected[columns].reset_index(drop=True), check_dtype=False)


def test_table4_and_figure2_show_the_same_relations(simulated):
    _, _, files = simulated
    table = pd.read_csv(files["table4_relations_csv"]).set_index(["receiver", "source"])
    values = pd.read_csv(files["figure2_relations_csv"]).groupby(["receiver", "source"])["strength"]
    assert len(table) == 9
    for column, of in {"mean": "mean", "sd": "std", "min": "min", "max": "max"}.items():
        pd.testing.assert_series_equal(table[column].sort_index(), values.agg(of), check_names=False)


def test_a_study_without_relations_says_so(measured):
    _, _, files = measured
    assert "No method of this study learns relations" in files["table4_relations_tex"].read_text()


def test_no_metric_is_lost_between_the_two_tables(simulated):
    study, _, files = simulated
    shown = pd.concat(pd.read_csv(files[f"{stem}_csv"]) for stem in ("table2_comparison", "tableA1_metrics"))
    assert not shown.duplicated(["task", "metric", "method"]).any()
    for task in study.spec["tasks"]:
        assert set(shown.loc[shown["task"] == task["name"], "metric"]) == set(measure.NAMES[task["kind"]])


def test_figure3_averages_only_while_every_run_lasts(simulated):
    study, _, files = simulated
    shown = pd.read_csv(files["figure3_validation_csv"])
    history = pd.read_parquet(study.inputs["histories"]).query("partition == 'validation'")
    for (task, method), curves in history.groupby(["task", "method"]):
        mine = shown[(shown["task"] == task) & (shown["method"] == method)]
        mean = mine[mine["series"] == "mean"].set_index("epoch")["loss"]
        assert mean.index.max() == curves.groupby("seed")["epoch"].max().min()
        at = mean.index.max()
        np.testing.assert_allclose(mean[at], curves.loc[curves["epoch"] == at, "loss"].mean())
        best = mine[mine["series"] == "best"].set_index("seed")["loss"]
        np.testing.assert_allclose(best.sort_index(), curves.groupby("seed")["loss"].min())


def test_figure4_reaches_the_largest_error(simulated):
    study, _, files = simulated
    shown = pd.read_csv(files["figure4_errors_csv"]).query("series == 'exceedance'")
    metrics = pd.read_parquet(study.inputs["metrics"]).query("metric == 'max_error'")
    for row in metrics.itertuples():
        curve = shown[(shown["task"] == row.task) & (shown["method"] == row.method) & (shown["seed"] == str(row.seed))]
        np.testing.assert_allclose(curve["error"].max(), row.value)


def test_figure5_rows_are_recall_and_specificity(simulated):
    study, _, files = simulated
    shown = pd.read_csv(files["figure5_confusion_csv"])
    recall = pd.read_parquet(study.inputs["metrics"]).query("metric == 'recall'").groupby("method")["value"].mean()
    hits = shown.query("actual == 1 and predicted == 1").set_index("method")["row_share"]
    pd.testing.assert_series_equal(hits.sort_index(), recall, check_names=False)
    assert shown.groupby("method")["alloys"].sum().eq(5 * 126).all()


def drop_one_run(table, **wanted):
    keep = np.ones(len(table), dtype=bool)
    for column, value in wanted.items():
        keep &= (table[column] == value).to_numpy()
    return table[~keep]


@pytest.mark.parametrize(
    ("name", "step", "wanted"),
    [
        ("metrics", run_tables, {"method": "hard", "seed": 456, "task": "hardness", "metric": "r2"}),
        ("metrics", run_numbers, {"method": "hard", "seed": 456, "task": "hardness", "metric": "r2"}),
        ("metrics", run_tables, {"method": "hard", "seed": 456, "task": "hardness", "metric": "p95_error"}),
        ("predictions", run_figures, {"method": "hard", "seed": 456, "task": "hardness"}),
        ("histories", run_figures, {"method": "hard", "seed": 456, "task": "hardness"}),
    ],
)
def test_a_missing_cell_stops_and_is_named(simulated, tmp_path, name, step, wanted):
    study = without(simulated[0], tmp_path, name, lambda table: drop_one_run(table, **wanted))
    with pytest.raises(UserError, match=r"hard/level-all/split-42/seed-456.*hardness"):
        step(study, tmp_path)


@pytest.mark.parametrize("step", [run_tables, run_figures, run_numbers])
def test_a_missing_relation_stops(simulated, tmp_path, step):
    wanted = {"seed": 456, "task": "hardness", "source": "amorphous"}
    study = without(simulated[0], tmp_path, "relations", lambda table: drop_one_run(table, **wanted))
    with pytest.raises(UserError, match="relations"):
        step(study, tmp_path)


def test_a_missing_test_stops(simulated, tmp_path):
    wanted = {"method": "structured", "baseline": "hard", "task": "hardness", "metric": "r2"}
    study = without(simulated[0], tmp_path, "comparisons", lambda table: drop_one_run(table, **wanted))
    with pytest.raises(UserError, match="structured against hard, hardness, r2"):
        run_tables(study, tmp_path)


@pytest.mark.parametrize("step", [run_tables, run_numbers])
def test_a_value_that_is_no_number_stops(simulated, tmp_path, step):
    def spoil(table):
        table.loc[table["metric"] == "f1", "value"] = np.nan
        return table

    with pytest.raises(UserError, match="f1"):
        step(without(simulated[0], tmp_path, "metrics", spoil), tmp_path)


def test_nan_is_refused_as_a_number():
    with pytest.raises(UserError, match="number x"):
        Store().add("x", float("nan"), Tex("nan"))


def test_numbers_say_what_the_tables_say(simulated):
    _, _, files = simulated
    content = json.loads(files["numbers_json"].read_text())["numbers"]
    for row in pd.read_csv(files["table2_comparison_csv"]).itertuples():
        key = f"score.{row.task}.{row.metric}.{row.method}"
        assert content[f"{key}.mean"] == {"value": row.mean, "text": f"{row.mean:.3f}"}
        assert content[f"{key}.sd"]["value"] == row.sd


def prose_of(template):
    """A template without what is no running text: statements, variables, keys, equations, drawings, lengths."""
    text = re.sub(r"^%%.*$|^%#.*$", "", template, flags=re.MULTILINE)
    for environment in ("equation", "tikzpicture"):
        text = re.sub(rf"\\begin{{{environment}}}.*?\\end{{{environment}}}", "", text, flags=re.DOTALL)
    text = re.sub(r"\\(?:VAR|NOTE)\{.*?\}(?!\s*\|)", "", text, flags=re.DOTALL)
    text = re.sub(r"\\(?:cite[a-z]*|ref|eqref|label|input|includegraphics)(?:\[.*?\])?\{.*?\}", "", text)
    text = re.sub(r"\\setcounter\{\w+\}\{\d+\}", "", text)
    return re.sub(r"\\\\\[[\d.]+em\]", "", text)


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.tex.j2")), ids=lambda f: f.name)
def test_no_template_holds_a_number_in_its_text(file):
    if file.name == "preamble.tex.j2":
        body = "\n".join(x for x in file.read_text().splitlines() if not x.startswith(("\\", "  ", "%%")))
        assert not re.search(r"\d", body)
    else:
        found = re.search(r".*\d.*", prose_of(file.read_text()))
        assert not found, found.group(0)


def test_the_scan_for_numbers_finds_one():
    assert re.search(r"\d", prose_of(r"The score is $0.83\pm0.02$ (\VAR{val('a', 1)})."))


def rendered(study, files):
    spec = PaperStudy.from_spec(study.spec)
    found = {f.name: f for f in TEMPLATES.glob("*.tex.j2")}
    return templates.render(spec, json.loads(files["numbers_json"].read_text()), found)


def test_simulated_data_is_marked_in_title_header_and_every_caption(simulated):
    study, _, files = simulated
    tex = rendered(study, files)
    captions = re.findall(r"\\caption\{(.{25})", tex)
    assert len(captions) == 10
    assert all(caption.startswith(r"\textbf{Simulated data.}") for caption in captions)
    assert re.search(r"\\title\{.*simulated data", tex, re.DOTALL)
    assert r"\fancyhead[L]{\small\textbf{Simulated data}" in tex
    assert all("Simulated" in files[f"{stem}_tex"].read_text() for stem in layout.TABLES)


def test_measured_data_is_nowhere_called_simulated(measured):
    study, _, files = measured
    assert "simulated" not in rendered(study, files).lower()


@pytest.mark.parametrize("verdicts", [["better"], ["worse"], ["not shown"], ["identical"], ["better", "worse"]])
def test_the_text_claims_what_the_verdicts_say(simulated, tmp_path, verdicts):
    def overrule(table):
        return table.assign(verdict=[verdicts[i % len(verdicts)] for i in range(len(table))])

    study = without(simulated[0], tmp_path, "comparisons", overrule)
    tex = rendered(study, run_numbers(study, tmp_path))
    assert ("negative transfer is shown" in tex) == ("worse" in verdicts)
    assert ("pooling the properties paid off" in tex) == ("better" in verdicts)
    assert ("Not to have shown a difference" in tex) == ("not shown" in verdicts)
    assert ("no general" in tex) == (len(verdicts) > 1)


def test_one_split_and_many_are_told_apart(simulated, tmp_path):
    study, _, files = simulated
    assert "cover the noise of training alone" in " ".join(rendered(study, files).split())
    many = two(tmp_path / "in", split_seeds=[1, 2, 3])
    tex = " ".join(rendered(many, run_numbers(many, tmp_path)).split())
    assert "cover the noise of training alone" not in tex
    assert r"\val{study.splits} split seeds" in tex


def test_one_task_and_one_method_make_a_paper_without_tests(tmp_path):
    tasks, methods = {"tc": TWO_TASKS["tc"]}, {"alone": TWO_METHODS["alone"]}
    study = make(tmp_path, tasks, methods, [], sizes={"tc": 300}, simulated=False)
    files = build(study, tmp_path)
    assert "no pair of methods" in files["table3_tests_tex"].read_text()
    tex = rendered(study, files)
    assert "paired" not in tex
    assert set(re.findall(r"\\val\{([^}]*)\}", tex)) <= set(json.loads(files["numbers_json"].read_text())["numbers"])


def test_every_number_in_the_text_is_defined(either):
    study, _, files = either
    content = json.loads(files["numbers_json"].read_text())["numbers"]
    used = set(re.findall(r"\\val\{([^}]*)\}", rendered(study, files)))
    assert used
    assert used <= set(content)


def test_text_of_the_config_is_escaped(measured):
    study, _, files = measured
    tex = rendered(study, files)
    assert r"Density\_\{RT\} \& more" in tex
    assert r"Joint 50\%" in tex


def changed_templates(folder, name, old, new):
    shutil.copytree(TEMPLATES, folder)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("data.tex.j2", r"\VAR{val('data.rows')}", r"\VAR{nonsense}", r"data\.tex\.j2, line \d+.*nonsense"),
        ("results.tex.j2", "tables/table2_comparison", "tables/table9", r"input\{tables/table9\}.*no step makes"),
        ("results.tex.j2", "figures/figure3_validation", "figures/mine.png", r"mine\.png\}.*no step makes"),
        ("methods.tex.j2", "%% endif", "%% endfor", r"methods\.tex\.j2, line \d+"),
    ],
)
def test_a_wrong_template_is_named(simulated, tmp_path, name, old, new, message):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", name, old, new)
    with pytest.raises(UserError, match=message):
        run_render(study, root, folder)


def test_without_latex_the_error_says_what_to_install(simulated, monkeypatch, tmp_path):
    study, root, _ = simulated
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"apt-get install .*latexmk"):
        run_render(study, root)


@needs_latex
def test_an_undefined_number_stops_latex_and_is_named(simulated, tmp_path):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", "data.tex.j2", r"\VAR{val('data.rows')}", r"\val{no.such.number}")
    for output in (root / "paper").glob("paper.*"):
        output.unlink()
    with pytest.raises(UserError, match=r"Undefined number 'no\.such\.number'.*paper\.log"):
        run_render(study, root, folder)
    assert sorted(p.name for p in (root / "paper").glob("paper*")) == ["paper.log"]


@needs_latex
def test_an_undefined_number_in_a_caption_stops_too(simulated, tmp_path):
    study, root, _ = simulated
    folder = changed_templates(
        tmp_path / "paper", "results.tex.j2", r"\VAR{val('study.runs_each')}", r"\val{no.such.number}"
    )
    with pytest.raises(UserError, match=r"Undefined number 'no\.such\.number'"):
        run_render(study, root, folder)


@needs_latex
def test_an_unknown_citation_stops(simulated, tmp_path):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", "introduction.tex.j2", r"\cite{caruana1997}", r"\cite{nobody1900}")
    with pytest.raises(UserError, match="nobody1900"):
        run_render(study, root, folder)


@needs_latex
def test_the_paper_compiles_without_a_line_too_wide_and_to_the_same_bytes(either, caplog):
    study, root, _ = either
    with caplog.at_level("WARNING", logger="alloymtl"):
        first = {name: path.read_bytes() for name, path in run_render(study, root).items()}
        second = {name: path.read_bytes() for name, path in run_render(study, root).items()}
    assert first == second
    assert first["pdf"].startswith(b"%PDF")
    assert not caplog.records


@needs_latex
def test_the_bundle_compiles_on_its_own(simulated, tmp_path):
    study, root, _ = simulated
    with tarfile.open(run_render(study, root)["source"]) as archive:
        archive.extractall(tmp_path, filter="data")
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0
    assert "undefined" not in (tmp_path / "paper.log").read_text(errors="replace").lower().replace(
        "font shape", ""
    ).replace("undefined pages", "")
