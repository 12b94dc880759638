"""Collecting runs and comparing methods, on small run folders that the tests write."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alloymtl.errors import UserError
from alloymtl.evaluation import collect, compare
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.statistics import hedges_g, holm, paired_t
from alloymtl.experiment import Experiment

TASKS = {"density": "regression", "ductile": "classification"}
PARTITIONS = ("train", "validation", "test")
MAIN = {
    "name": "main",
    "methods": ["hard", "alone"],
    "comparisons": [["alone", "hard"]],
    "levels": ["all", 20],
    "split_seeds": [7],
    "seeds": [3, 1, 2],
}
EXTRA = {**MAIN, "name": "extra", "methods": ["alone", "wide"], "comparisons": [["alone", "wide"]], "levels": [20]}
EVALUATION = {"regression": ["r2", "mae_z"], "classification": ["f1"], "alpha": 0.05, "threshold": 0.5}
OUTPUTS = ("metrics", "relations", "histories", "predictions")


def cells(*experiments):
    keys = ("methods", "levels", "split_seeds", "seeds")
    return list(dict.fromkeys(cell for e in experiments for cell in product(*(e[k] for k in keys))))


def folder(runs, method, level, split_seed, seed):
    return runs / method / f"level-{level}" / f"split-{split_seed}" / f"seed-{seed}"


def value(method, seed, metric):
    """Any number that depends on the run: ``hard`` is better than ``alone`` by about 0.2 on every metric."""
    better = {"hard": 0.2 + 0.001 * seed, "alone": 0.0, "wide": 0.0}[method]
    return 0.5 + 0.03 * seed + (-better if "mae" in metric else better)


def write_run(runs, method, level, split_seed, seed):
    place = folder(runs, method, level, split_seed, seed)
    place.mkdir(parents=True)
    record = {
        "specification": {
            "method": method,
            "level": level,
            "split_seed": split_seed,
            "seed": seed,
            "tasks": [{"name": n, "kind": k, "transform": "none"} for n, k in TASKS.items()],
        },
        "metrics": {
            t: {p: {m: value(method, seed, m) for m in NAMES[k]} for p in PARTITIONS} for t, k in TASKS.items()
        },
    }
    (place / "record.json").write_text(json.dumps(record))
    rows = [(f"Al{i}", t, p, 1.0, 0.25 * i) for t in TASKS for p in ("validation", "test") for i in range(2)]
    columns = ["alloy", "task", "partition", "target", "prediction"]
    pd.DataFrame(rows, columns=columns).to_parquet(place / "predictions.parquet")
    rows = [(e, t, p, 1.0 / e, 0.001) for e in (1, 2) for t in TASKS for p in ("train", "validation")]
    columns = ["epoch", "task", "partition", "loss", "learning_rate"]
    pd.DataFrame(rows, columns=columns).to_parquet(place / "history.parquet")
    if method == "hard":
        rows = [(t, s, 1.0 if t == s else 0.5) for t in TASKS for s in TASKS]
        pd.DataFrame(rows, columns=["task", "source", "strength"]).to_parquet(place / "relations.parquet")


@pytest.fixture
def runs(tmp_path):
    for cell in cells(MAIN, EXTRA):
        write_run(tmp_path / "runs", *cell)
    return tmp_path / "runs"


def collected(runs, related=("hard",), experiments=(MAIN, EXTRA)):
    outputs = {name: runs.parent / f"{name}.parquet" for name in OUTPUTS}
    tasks = [{"name": n, "kind": k} for n, k in TASKS.items()]
    spec = {"runs": str(runs), "experiments": list(experiments), "tasks": tasks, "with_relations": list(related)}
    collect.step(spec, {}, outputs)
    return {name: pd.read_parquet(path) for name, path in outputs.items()}


def compared(runs, experiments=(MAIN, EXTRA), evaluation=EVALUATION):
    inputs, outputs = {"metrics": runs.parent / "metrics.parquet"}, {"comparisons": runs.parent / "c.parquet"}
    tasks = [{"name": n, "kind": k} for n, k in TASKS.items()]
    compare.step({"experiments": list(experiments), "tasks": tasks, "evaluation": evaluation}, inputs, outputs)
    return pd.read_parquet(outputs["comparisons"])


def edit(path, change):
    """Change a run's JSON or Parquet file; ``change`` mends the value in place or returns a new one."""
    if path.suffix == ".json":
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))
    else:
        change(pd.read_parquet(path)).to_parquet(path)


def test_every_run_task_partition_and_metric_has_one_row_in_the_order_of_the_spec(runs):
    table = collected(runs)["metrics"]
    assert list(table) == ["method", "level", "split_seed", "seed", "task", "partition", "metric", "value"]
    expected = [
        (m, str(level), split, seed, t, p, name, value(m, seed, name))
        for m, level, split, seed in cells(MAIN, EXTRA)
        for t, k in TASKS.items()
        for p in PARTITIONS
        for name in NAMES[k]
    ]
    assert list(table.itertuples(index=False, name=None)) == expected


def test_predictions_and_histories_are_those_of_main_and_predictions_those_of_test_rows(runs):
    tables = collected(runs)
    for name in ("predictions", "histories"):
        assert list(tables[name])[:4] == ["method", "level", "split_seed", "seed"]
        found = tables[name][["method", "level", "split_seed", "seed"]].drop_duplicates()
        assert list(found.itertuples(index=False, name=None)) == [(m, str(n), s, k) for m, n, s, k in cells(MAIN)]
    assert set(tables["predictions"]["partition"]) == {"test"}
    assert tables["predictions"].groupby(["method", "level", "seed", "task"]).size().eq(2).all()


def test_relations_hold_every_pair_of_tasks_and_may_be_empty(runs):
    table = collected(runs)["relations"]
    assert len(table) == len(MAIN["levels"]) * len(MAIN["seeds"]) * len(TASKS) ** 2
    empty = collected(runs, related=())["relations"]
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == table.dtypes.to_dict()


def test_collecting_twice_gives_the_same_bytes(runs):
    def contents():
        collected(runs)
        return [(runs.parent / f"{name}.parquet").read_bytes() for name in OUTPUTS]

    assert contents() == contents()


def drop(*path):
    def change(record):
        for key in path[:-1]:
            record = record[key]
        del record[path[-1]]

    return change


def put(new, *path):
    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = new

    return change


@pytest.mark.parametrize(
    ("file", "change", "what"),
    [
        ("record.json", drop("metrics"), "not a run record"),
        ("record.json", drop("specification", "seed"), "not a run record"),
        ("record.json", put(99, "specification", "seed"), "is of hard/20/7/99 and not of its folder"),
        ("record.json", put("all", "specification", "level"), "is of hard/all/7/1 and not of its folder"),
        ("record.json", put("alone", "specification", "method"), "is of alone/20/7/1 and not of its folder"),
        ("record.json", put([{"name": "density", "kind": "regression"}], "specification", "tasks"), "trained for the"),
        ("record.json", drop("metrics", "ductile"), "lacks task 'ductile'"),
        ("record.json", drop("metrics", "density", "test"), "metrics.density lacks partition 'test'"),
        ("record.json", drop("metrics", "density", "train"), "metrics.density lacks partition 'train'"),
        ("record.json", put({}, "metrics", "density", "fold"), "holds an unknown partition 'fold'"),
        ("record.json", drop("metrics", "ductile", "test", "auc"), "metrics.ductile.test lacks metric 'auc'"),
        ("record.json", put(1.0, "metrics", "ductile", "test", "r2"), "holds an unknown metric 'r2'"),
        ("record.json", put(float("nan"), "metrics", "density", "test", "r2"), r"density.test.r2 is nan"),
        ("record.json", put(None, "metrics", "density", "test", "r2"), r"density.test.r2 is None"),
        ("record.json", put(5, "metrics", "density"), "metrics.density holds no partition"),
        ("predictions.parquet", lambda t: t[t["task"] != "ductile"], "lacks task 'ductile'"),
        ("predictions.parquet", lambda t: t[t["partition"] != "test"], "lacks task"),
        ("predictions.parquet", lambda t: t.drop(columns="target"), "not readable as alloy, task"),
        ("predictions.parquet", lambda t: t.assign(prediction=np.nan), "column prediction holds"),
        ("history.parquet", lambda t: t.assign(loss=np.inf), "column loss holds"),
        ("history.parquet", lambda t: t[t["partition"] != "train"], "lacks curve '.* <- train'"),
        ("relations.parquet", lambda t: t[:-1], "lacks pair 'ductile <- ductile'"),
        ("relations.parquet", lambda t: pd.concat([t, t]), "appears twice"),
    ],
)
def test_a_damaged_run_stops_the_build_and_is_named_with_the_mend(runs, file, change, what):
    path = folder(runs, "hard", 20, 7, 1) / file
    edit(path, change)
    with pytest.raises(UserError, match=what) as error:
        collected(runs)
    assert error.value.where == str(path)
    assert "delete the run's folder" in error.value.mend


@pytest.mark.parametrize("file", ["record.json", "predictions.parquet", "history.parquet", "relations.parquet"])
@pytest.mark.parametrize("content", [None, b"", b'{"metrics": '])
def test_a_missing_or_broken_file_stops_the_build(runs, file, content):
    path = folder(runs, "hard", 20, 7, 1) / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        collected(runs)
    assert Path(error.value.where) in (path, path.parent)
    assert "Mend:" in str(error.value)


def test_a_comparison_is_the_paired_test_of_the_runs_on_test_rows(runs):
    tables = collected(runs)
    found = compared(runs)
    assert list(found) == list(compare.COLUMNS)
    rows = [("main", "alone", "hard", level) for level in ("all", "20")] + [("extra", "alone", "wide", "20")]
    tests = [("density", "r2"), ("density", "mae_z"), ("ductile", "f1")]
    keys = ["experiment", "baseline", "method", "level", "task", "metric"]
    assert list(found[keys].itertuples(index=False, name=None)) == [(*r, *t) for r in rows for t in tests]

    metrics = tables["metrics"].query("level == '20' and partition == 'test' and task == 'density' and metric == 'r2'")
    x, y = (metrics[metrics["method"] == m].sort_values("seed")["value"] for m in ("hard", "alone"))
    expected, row = paired_t(x, y, 0.95), found.iloc[3]
    assert (row["n_pairs"], row["df"], row["family"], row["primary"]) == (3, 2, 2, True)
    names = ["mean_difference", "ci_low", "ci_high", "t", "p_value"]
    assert row[names].tolist() == pytest.approx([getattr(expected, n) for n in names], rel=1e-9)
    assert row["effect_size"] == pytest.approx(hedges_g(x, y))
    first = found.iloc[3:6]
    assert first["primary"].tolist() == [True, False, True]  # the first metric of each task's kind
    assert first["p_holm"].tolist()[::2] == pytest.approx(list(holm(first["p_value"][first["primary"]])))
    assert first["p_holm"].tolist()[1] == pytest.approx(first["p_value"].tolist()[1])  # a family of one


def test_verdicts_follow_the_direction_of_the_metric(runs):
    collected(runs)
    found = compared(runs)
    main = found[found["experiment"] == "main"]
    assert (main["verdict"] == "better").all()
    assert (main[main["metric"] == "mae_z"]["mean_difference"] < 0).all()
    assert (found[found["experiment"] == "extra"]["verdict"] == "identical").all()
    turned = compared(runs, experiments=[{**MAIN, "comparisons": [["hard", "alone"]]}])
    assert (turned["verdict"] == "worse").all()
    strict = compared(runs, evaluation={**EVALUATION, "alpha": 1e-9})
    assert set(strict["verdict"]) == {"not shown", "identical"}


def test_a_verdict_needs_the_corrected_and_not_the_raw_p_value(runs):
    collected(runs)
    raw = compared(runs)["p_value"].max()
    alpha = compared(runs).query("experiment == 'main'")["p_value"].min() * 2
    found = compared(runs, evaluation={**EVALUATION, "alpha": alpha}).query("experiment == 'main'")
    assert raw == 1
    assert (found["p_value"] < alpha).any()
    assert (found["verdict"] == np.where(found["p_holm"] < alpha, "better", "not shown")).all()
    assert (found["verdict"] == "not shown").any()


def test_an_experiment_pairs_only_its_own_seeds(runs):
    collected(runs)
    assert (compared(runs, experiments=[{**MAIN, "seeds": [3, 1]}])["n_pairs"] == 2).all()


def test_without_comparisons_the_table_is_empty_and_typed(runs):
    collected(runs)
    full, empty = compared(runs), compared(runs, experiments=[{**MAIN, "comparisons": []}])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_a_run_without_its_partner_stops_the_comparison(runs):
    collected(runs)
    path = runs.parent / "metrics.parquet"
    edit(path, lambda t: t[~((t["method"] == "alone") & (t["level"] == "20") & (t["seed"] == 1))])
    with pytest.raises(UserError, match=r"alone/level-20/split-7/seed-1: .*r2 of density.*no partner"):
        compared(runs)


@pytest.mark.parametrize("change", [lambda t: pd.concat([t, t[-1:]]), lambda t: t.assign(value=np.nan)])
def test_values_that_are_double_or_not_finite_stop_the_comparison(runs, change):
    collected(runs)
    edit(runs.parent / "metrics.parquet", change)
    with pytest.raises(UserError, match="twice or is not finite"):
        compared(runs)


def test_an_unknown_metric_or_a_single_run_stops_the_comparison(runs):
    collected(runs)
    with pytest.raises(UserError, match=r"evaluation.regression\[0\].*'r3'"):
        compared(runs, evaluation={**EVALUATION, "regression": ["r3"]})
    with pytest.raises(UserError, match=r"experiments.main.seeds"):
        compared(runs, experiments=[{**MAIN, "seeds": [1]}])


def crossed(rng, difference):
    """Values of two equally noisy methods on 4 splits x 6 seeds, where the split decides as much as the seed."""
    splits, seeds = tuple(range(4)), tuple(range(6))
    experiment = Experiment("main", ("one", "two"), (("one", "two"),), ("all",), splits, seeds)
    values = {}
    for method, shift in (("one", 0.0), ("two", difference)):
        for split in splits:
            of_split = rng.normal()
            for seed in seeds:
                values[method, "all", split, seed, "density", "r2"] = shift + of_split + rng.normal()
    evaluation = {"regression": ["r2"], "classification": ["f1"], "alpha": 0.05}
    (row,) = compare.family(experiment, "all", {"density": "regression"}, evaluation, values)
    return row, values


def test_with_several_splits_the_splits_are_the_pairs():
    row, values = crossed(np.random.default_rng(0), 0.5)
    means = {
        m: [np.mean([values[m, "all", split, seed, "density", "r2"] for seed in range(6)]) for split in range(4)]
        for m in ("one", "two")
    }
    expected = paired_t(means["two"], means["one"], 0.95)
    assert (row["n_pairs"], row["df"]) == (4, 3)
    assert row["p_value"] == pytest.approx(expected.p_value)


def test_where_nothing_differs_five_in_a_hundred_tests_say_so():
    rng = np.random.default_rng(1)
    found = np.mean([crossed(rng, 0.0)[0]["p_value"] < 0.05 for _ in range(400)])
    assert found == pytest.approx(0.05, abs=0.03)  # three standard errors; seeds as pairs would give 0.4
