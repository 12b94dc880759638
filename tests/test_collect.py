"""Collecting runs, comparing methods and levels, and gradients in conflict, on small files that the tests write."""

import json
import re
import shutil
import time
from itertools import count, product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloymtl.errors import UserError
from alloymtl.evaluation import collect, compare, conflict, tidy
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.run_files import read_run
from alloymtl.evaluation.seal import sealed
from alloymtl.evaluation.statistics import hedges_g, holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import write_parquet
from run_fixture import seal

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
OUTPUTS = ("metrics", "runs", "relations", "gradients", "cosines", "similarity", "search", "histories", "predictions")
FILES_OF = {"hard": ["relations", "gradients"], "wide": ["similarity", "search"]}


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
        "best_epoch": {"density": 2, "ductile": 7},
        "stages": {
            "density": {"epochs": 5, "steps": 50, "trainings": 1},
            "ductile": {"epochs": 9, "steps": 27, "trainings": 49},
        },
        "seconds": 1.5,
        "engine": "reference",
        "predictions_sha256": f"{method}{seed}",
    }
    (place / "record.json").write_text(json.dumps(record))
    rows = [(f"Al{i}", t, p, 1.0, 0.25 * i) for t in TASKS for p in ("validation", "test") for i in range(2)]
    columns = ["alloy", "task", "partition", "target", "prediction"]
    pd.DataFrame(rows, columns=columns).to_parquet(place / "predictions.parquet")
    rows = [(e, t, p, 1.0 / e, 0.001) for e in (1, 2) for t in TASKS for p in ("train", "validation")]
    columns = ["epoch", "task", "partition", "loss", "learning_rate"]
    pd.DataFrame(rows, columns=columns).to_parquet(place / "history.parquet")
    pair = {"first": "density", "second": "ductile"}
    if method == "hard":
        lines = [{"epoch": e, **pair, "measure": "cosine", "value": 0.1 * e, "n": e} for e in (1, 2)]
        pd.DataFrame(lines).to_parquet(place / "gradients.parquet")
    if method == "wide":
        pd.DataFrame([{**pair, "measure": "cka", "value": 0.9}]).to_parquet(place / "similarity.parquet")
        tried = [(n, t, 1.0 + n, 0.5, float(n), n == 1) for n in (0, 1) for t in TASKS]
        columns = ["trial", "task", "weight", "validation_loss", "change", "kept"]
        pd.DataFrame(tried, columns=columns).to_parquet(place / "search.parquet")
    if method == "hard":
        rows = [(t, s, 1.0 if t == s else 0.5) for t in TASKS for s in TASKS]
        pd.DataFrame(rows, columns=["task", "source", "strength"]).to_parquet(place / "relations.parquet")
    seal(place)


@pytest.fixture
def runs(tmp_path):
    for cell in cells(MAIN, EXTRA):
        write_run(tmp_path / "runs", *cell)
    return tmp_path / "runs"


def collected(runs, extras=FILES_OF, experiments=(MAIN, EXTRA)):
    outputs = {name: runs.parent / f"{name}.parquet" for name in OUTPUTS}
    tasks = [{"name": n, "kind": k} for n, k in TASKS.items()]
    spec = {"runs": str(runs), "experiments": list(experiments), "tasks": tasks, "extras": extras}
    collect.step(spec, {}, outputs)
    return {name: pd.read_parquet(path) for name, path in outputs.items()}


def compared(runs, experiments=(MAIN, EXTRA), evaluation=EVALUATION, largest="another"):
    """The tests of some experiments; ``largest`` is the task with the most labels."""
    inputs = {name: runs.parent / f"{name}.parquet" for name in ("metrics", "split")}
    labels = [task for task in {**TASKS, largest: ""} for _ in range(2 + (task == largest))]
    pd.DataFrame({"task": labels, "split_seed": 7}).to_parquet(inputs["split"])
    outputs = {name: runs.parent / f"{name}.parquet" for name in ("comparisons", "level_comparisons")}
    tasks = [{"name": n, "kind": k} for n, k in TASKS.items()]
    compare.step({"experiments": list(experiments), "tasks": tasks, "evaluation": evaluation}, inputs, outputs)
    return pd.read_parquet(outputs["comparisons"])


def levels_compared(runs, **options):
    compared(runs, **options)
    return pd.read_parquet(runs.parent / "level_comparisons.parquet")


def edit(path, change):
    """Change a JSON or Parquet file; ``change`` mends the value in place or returns a new one."""
    if path.suffix == ".json":
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))
    else:
        change(pd.read_parquet(path)).to_parquet(path)


def contents(runs):
    """Bytes of the collected tables."""
    collected(runs)
    return {name: (runs.parent / f"{name}.parquet").read_bytes() for name in OUTPUTS}


def refused(runs):
    """What is said of runs that cannot be collected. Of no run is anything written."""
    with pytest.raises(UserError) as error:
        collected(runs)
    assert sorted(path.name for path in runs.parent.iterdir()) == ["runs"]
    return error.value


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


def test_other_experiments_keep_what_they_ask_for(runs):
    tables = collected(runs, experiments=(MAIN, {**EXTRA, "keep": ["predictions"]}))
    assert set(tables["predictions"]["method"]) == {"hard", "alone", "wide"}
    assert set(tables["histories"]["method"]) == {"hard", "alone"}


def test_a_run_has_one_row_with_the_longest_training_the_steps_of_its_networks_and_all_trainings(runs):
    table = collected(runs)["runs"]
    assert len(table) == len(cells(MAIN, EXTRA))
    assert set(zip(table["epochs"], table["best_epoch"], table["steps"], strict=True)) == {(9, 7, 77)}
    assert set(table["trainings"]) == {50}
    assert (table["predictions_sha256"] == table["method"] + table["seed"].astype(str)).all()


def test_gradients_and_similarity_are_those_of_the_methods_that_have_them_and_may_be_empty(runs):
    tables = collected(runs)
    assert set(tables["gradients"]["method"]) == {"hard"}
    assert len(tables["gradients"]) == len(MAIN["levels"]) * len(MAIN["seeds"]) * 2
    assert list(tables["gradients"])[4:] == ["epoch", "first", "second", "measure", "value", "n"]
    assert set(tables["similarity"]["method"]) == {"wide"}
    assert list(tables["similarity"])[4:] == ["first", "second", "measure", "value"]
    assert set(tables["search"]["method"]) == {"wide"}
    assert list(tables["search"])[4:] == ["trial", "task", "weight", "validation_loss", "change", "kept"]
    empty = collected(runs, extras={})
    for name in ("gradients", "similarity", "search"):
        assert len(empty[name]) == 0
        assert empty[name].dtypes.to_dict() == tables[name].dtypes.to_dict()


def test_of_an_experiment_that_keeps_cosines_their_means_stand_in_the_place_of_gradients(runs):
    """By hand: epochs 1 and 2 with cosines .1 and .2 of 1 and 2 steps; the last fifth is the second."""
    keeping = {**EXTRA, "methods": ["hard"], "comparisons": [], "keep": ["cosines"]}
    tables = collected(runs, experiments=(MAIN, keeping))
    cosines = tables["cosines"]
    assert set(cosines["level"]) == {"20"}
    assert set(cosines["estimator"]) == {"minibatch"}
    for window, mean in (("all", (0.1 + 2 * 0.2) / 3), ("last fifth", 0.2)):
        found = cosines.loc[cosines["window"] == window, "value"]
        assert found.tolist() == pytest.approx([mean] * len(MAIN["seeds"]))
    assert set(tables["gradients"]["level"]) == {"all"}
    both = collected(runs, experiments=({**MAIN, "keep": ["gradients"]}, keeping))
    assert set(both["gradients"]["level"]) == {"all", "20"}
    assert len(both["cosines"]) == len(cosines)


def test_relations_hold_every_pair_of_tasks_and_may_be_empty(runs):
    table = collected(runs)["relations"]
    assert len(table) == len(MAIN["levels"]) * len(MAIN["seeds"]) * len(TASKS) ** 2
    empty = collected(runs, extras={})["relations"]
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == table.dtypes.to_dict()


def test_collecting_gives_the_same_bytes_whichever_run_is_read_first(runs, monkeypatch):
    first = contents(runs)
    read, begun = collect.read_run, count()

    def read_late(*arguments):
        """The earlier a run's turn, the later it is there."""
        time.sleep(0.02 / (1 + next(begun) % collect.READERS))
        return read(*arguments)

    monkeypatch.setattr(collect, "read_run", read_late)
    assert contents(runs) == first
    monkeypatch.setattr(collect, "AHEAD", 0)
    assert contents(runs) == first


def test_what_a_killed_job_has_left_is_not_read(runs):
    before = contents(runs)
    place = folder(runs, "hard", 20, 7, 1)
    for name in ("record.json", "predictions.parquet", "gradients.parquet"):
        (place / f".{name}.node7.4711.tmp").write_bytes((place / name).read_bytes()[:100])
    (place / ".checkpoint.npz").write_bytes(b"PK")
    assert contents(runs) == before


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
        ("record.json", drop("stages", "ductile", "steps"), "does not say how the run went"),
        ("gradients.parquet", lambda t: pd.concat([t, t]), "holds a measure of a pair of tasks twice"),
        ("gradients.parquet", lambda t: t.assign(first="colour"), "unknown task 'colour'"),
        ("gradients.parquet", lambda t: t[:0], "holds no row"),
    ],
)
def test_a_whole_run_that_holds_what_it_should_not_stops_the_build_and_is_named_with_the_mend(runs, file, change, what):
    path = folder(runs, "hard", 20, 7, 1) / file
    edit(path, change)
    seal(path.parent)
    error = refused(runs)
    assert re.search(what, error.what)
    assert error.where == str(path)
    assert "delete the run's folder" in error.mend


# ---------------------------------------------------------------- damage


def digit(record):
    record["metrics"]["density"]["test"]["r2"] += 1e-15


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (digit, "not the one that its checksum is of"),
        (put(float("nan"), "metrics", "density", "test", "r2"), "not the one that its checksum is of"),
        (put(2, "specification", "seed"), "not the one that its checksum is of"),
        (put(1.0, "files", "more"), "not the one that its checksum is of"),
        (put("0" * 64, "files", "history"), "not the one that its checksum is of"),
        (drop("seconds"), "not the one that its checksum is of"),
        (drop("files"), "not the one that its checksum is of"),
        (drop("sha256"), "carries no checksum"),
    ],
)
def test_an_edited_record_is_named_and_not_averaged(runs, change, what):
    path = folder(runs, "hard", 20, 7, 1) / "record.json"
    edit(path, change)
    error = refused(runs)
    assert error.where == str(path)
    assert what in error.what
    assert "delete the run's folder" in error.mend


@pytest.mark.parametrize("files", [None, {}, {"predictions": "0" * 64, "history": "0" * 64, "relations": "0" * 64}])
def test_a_record_that_does_not_name_every_file_of_its_run_is_refused(runs, files):
    path = folder(runs, "hard", 20, 7, 1) / "record.json"
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "files": files})))
    error = refused(runs)
    assert error.where == str(path)
    assert "it holds no checksum" in error.what


ALL_FILES = ["record.json", "predictions.parquet", "history.parquet", "gradients.parquet", "relations.parquet"]


@pytest.mark.parametrize("file", ALL_FILES)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"metrics": ', b"\xff", "a folder"])
def test_a_missing_or_broken_file_stops_the_build(runs, file, content):
    path = folder(runs, "hard", 20, 7, 1) / file
    path.unlink()
    if content == "a folder":  # reading it is an error of the system, as on a broken disk
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    error = refused(runs)
    assert Path(error.where) in (path, path.parent)
    assert "Mend:" in str(error)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(ALL_FILES), st.data())
def test_a_file_with_any_other_byte_or_end_is_refused_unless_it_says_the_same(runs, file, draw):
    path = folder(runs, "hard", 20, 7, 1) / file
    whole = path.read_bytes()
    place = draw.draw(st.integers(0, len(whole) - 1))
    if draw.draw(st.booleans()):
        other = whole[:place]
    else:
        other = whole[:place] + bytes([draw.draw(st.integers(0, 255))]) + whole[place + 1 :]
    before = read_run(path.parent, (), ())
    path.write_bytes(other)
    found = what_is_found(path.parent)
    path.write_bytes(whole)
    if found != before:
        assert found == str(path)
    else:
        assert other == whole or file == "record.json"  # whose line ends and blanks say nothing


def what_is_found(place):
    """A run, or the file that keeps it from being read."""
    try:
        return read_run(place, (), ())
    except UserError as error:
        return error.where


def test_every_file_that_a_record_names_is_checked_also_one_that_goes_into_no_table(runs):
    path = folder(runs, "wide", 20, 7, 1) / "history.parquet"
    assert "wide" not in set(collected(runs)["histories"]["method"])
    for name in OUTPUTS:
        (runs.parent / f"{name}.parquet").unlink()
    path.write_bytes(path.read_bytes() + b" ")
    assert refused(runs).where == str(path)


def test_a_file_of_another_run_is_named_with_all_others_that_do_not_belong(runs):
    ours, other = (folder(runs, "hard", 20, 7, seed) for seed in (1, 2))
    edit(other / "predictions.parquet", lambda t: t.assign(prediction=2.0))
    edit(other / "gradients.parquet", lambda t: t.assign(value=0.2))
    seal(other)
    for name in ("gradients", "predictions"):
        shutil.copy(other / f"{name}.parquet", ours)
    error = refused(runs)
    assert error.where == str(ours / "gradients.parquet")
    assert "The same goes for predictions.parquet." in error.what
    shutil.copy(other / "record.json", ours)
    assert "is of hard/20/7/2 and not of its folder" in refused(runs).what


def test_several_damaged_runs_are_counted_the_first_named_and_all_of_them_in_the_log(runs, caplog):
    everything = [folder(runs, *cell) for cell in cells(MAIN, EXTRA)]
    broken = everything[1::2]
    for place in broken:
        (place / "history.parquet").write_bytes(b"")
    with caplog.at_level("DEBUG", logger="alloymtl"):
        error = refused(runs)
    assert error.where == str(runs)
    assert f"{len(broken)} of {len(everything)} runs cannot be collected: {broken[0]}/history.parquet: " in error.what
    assert [str(place) in error.what for place in broken] == [True] * collect.NAMED + [False] * (
        len(broken) - collect.NAMED
    )
    assert f"; {len(broken) - collect.NAMED} more are in the log." in error.what
    assert "delete the folders of these runs" in error.mend
    assert "\n" not in str(error)
    assert [sum(str(place) in line for line in caplog.messages) for place in broken] == [1] * len(broken)


def test_damaged_and_missing_runs_have_each_their_own_mend(runs):
    (folder(runs, "hard", "all", 7, 3) / "record.json").unlink()
    (folder(runs, "hard", "all", 7, 1) / "record.json").write_text("")
    error = refused(runs)
    assert "this run has no record.json. Mend: build the target `runs`; " in error.what
    assert "delete the run's folder" in error.what


@pytest.mark.parametrize("lengths", [[], [0], [5, 0, 7], [tidy.ROWS // 3] * 7, [tidy.ROWS, 0], [2 * tidy.ROWS + 1]])
def test_a_table_written_part_by_part_has_the_bytes_of_one_that_is_written_whole(tmp_path, lengths):
    schema = pa.schema([("name", pa.string()), ("n", pa.int64()), ("x", pa.float64())])
    numbers = [np.arange(length) + i for i, length in enumerate(lengths)]
    parts = [pa.table([pa.array(n % 100).cast(pa.string()), n, n / 7.0], schema=schema) for n in numbers]
    with tidy.growing(tmp_path / "grown.parquet", schema) as add:
        for part in parts:
            add(part)
    write_parquet(tmp_path / "whole.parquet", pa.concat_tables([schema.empty_table(), *parts]).to_pandas())
    assert (tmp_path / "grown.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_table_that_is_not_finished_leaves_the_old_file_and_no_other(tmp_path):
    schema = pa.schema([("n", pa.int64())])
    path = tmp_path / "t.parquet"
    path.write_bytes(b"old")
    other = pa.table([["a"]], names=["n"])
    with pytest.raises(pa.ArrowInvalid), tidy.growing(path, schema) as add:
        list(map(add, [pa.table([np.arange(2 * tidy.ROWS)], schema=schema), other]))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("t.parquet", b"old")]


# ---------------------------------------------------------------- comparisons


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


def test_one_network_under_two_names_is_no_question_and_makes_no_other_test_stricter(runs):
    """As the source of a transfer is in all its arms."""
    tables = collected(runs)
    metrics = tables["metrics"]
    everywhere = [[*pair] for pair in (("alone", "hard"),)]
    before = compared(runs, experiments=[{**MAIN, "levels": ["all"], "comparisons": everywhere}])
    same = metrics["task"] == "ductile"
    values = metrics[same & (metrics["method"] == "alone")].set_index(
        ["level", "split_seed", "seed", "partition", "metric"]
    )
    twin = same & (metrics["method"] == "hard")
    key = metrics.loc[twin, ["level", "split_seed", "seed", "partition", "metric"]].apply(tuple, axis=1)
    metrics.loc[twin, "value"] = values["value"].reindex(key).to_numpy()
    metrics.to_parquet(runs.parent / "metrics.parquet")
    after = compared(runs, experiments=[{**MAIN, "levels": ["all"], "comparisons": everywhere}])
    of_twin, rest = after[after["task"] == "ductile"], after[after["task"] != "ductile"]
    assert (of_twin["verdict"] == "identical").all()
    assert (of_twin["p_holm"] == 1).all()
    primary = rest[rest["primary"]]
    assert (primary["family"] == before[before["primary"]]["family"].iloc[0] - 1).all()
    assert primary["p_holm"].tolist() == pytest.approx(primary["p_value"].tolist())  # alone in its family


def test_each_level_is_tested_against_the_smallest_with_all_levels_in_one_family(runs):
    experiment = {**MAIN, "levels": ["all", 20, 5], "methods": ["hard"], "comparisons": []}
    for cell in cells({**experiment, "levels": [5]}):
        write_run(runs, *cell)
    # The level decides nothing about the made-up values; from here on it does.
    tables = collected(runs, experiments=[experiment])
    gain = {"5": 0.0, "20": 0.1, "all": 0.3}
    metrics = tables["metrics"]
    spread = metrics["seed"] * metrics["level"].map({"5": 0.0, "20": 0.01, "all": 0.02})
    worse = metrics["metric"].str.contains("mae")
    shift = metrics["level"].map(gain) + spread
    metrics["value"] += np.where(worse, -shift, shift)
    metrics.to_parquet(runs.parent / "metrics.parquet")
    found = levels_compared(runs, experiments=[experiment])

    assert list(found) == list(compare.LEVEL_COLUMNS)
    assert (found["baseline_level"] == "5").all()
    assert found["level"].tolist() == ["20"] * 3 + ["all"] * 3  # by size, whatever their order in the config
    r2 = found[(found["task"] == "density") & (found["metric"] == "r2")].set_index("level")
    for level, slope in (("20", 0.01), ("all", 0.02)):
        expected = paired_t([gain[level] + slope * seed for seed in (3, 1, 2)], [0.0, 0.0, 0.0], 0.95)
        names = ["mean_difference", "ci_low", "ci_high", "p_value"]
        assert r2.loc[level, names].tolist() == pytest.approx([getattr(expected, n) for n in names], rel=1e-9)
    primary = found[found["metric"] != "mae_z"]
    assert primary["p_holm"].tolist() == pytest.approx(list(holm(primary["p_value"])))  # two tasks at two levels
    assert (found[found["level"] == "all"]["verdict"] == "better").all()
    assert len(levels_compared(runs, experiments=[{**experiment, "levels": [20]}])) == 0
    # The task that levels cut has other test rows at each.
    assert set(levels_compared(runs, experiments=[experiment], largest="density")["task"]) == {"ductile"}


# ---------------------------------------------------------------- gradients in conflict


def measured(rows):
    """A table of gradients of one method from (split seed, seed, epoch, first, second, measure, value, n)."""
    names = ["split_seed", "seed", "epoch", "first", "second", "measure", "value", "n"]
    return pd.DataFrame(rows, columns=names).assign(method="hard", level="all")


def conflicts(tmp_path, table):
    table.to_parquet(tmp_path / "gradients.parquet")
    outputs = {"conflict": tmp_path / "conflict.parquet"}
    conflict.step({"evaluation": {"alpha": 0.05}}, {"gradients": tmp_path / "gradients.parquet"}, outputs)
    return pd.read_parquet(outputs["conflict"])


def steps_of(seed, *epochs, split=42):
    return [(split, seed, e, "a", "b", "cosine", value, n) for e, (value, n) in enumerate(epochs, 1)]


def products_of(seed, *epochs, split=42):
    """Epochs as (<a, b>, <a, a>, <b, b>) across halves."""
    pairs = [("a", "b"), ("a", "a"), ("b", "b")]
    return [
        (split, seed, e, *pair, "product_halves", value, 64)
        for e, values in enumerate(epochs, 1)
        for pair, value in zip(pairs, values, strict=True)
    ]


def test_the_three_cosines_of_a_run_and_their_interval_by_hand(tmp_path):
    rows = [*steps_of(1, (0.2, 30), (0.6, 10)), *steps_of(2, (0.1, 5))]
    rows += [(42, 1, e, "a", "b", "cosine_large", v, 64) for e, v in ((1, 0.5), (5, 0.7))]
    rows += [(42, 2, 1, "a", "b", "cosine_large", 0.4, 64)]
    # 0.06 + 0.30 over sqrt((0.1 + 0.3) * (0.2 + 1.4)); a negative self-product of one epoch is noise like any other.
    rows += products_of(1, (0.06, 0.1, 0.2), (0.30, 0.3, 1.4))
    rows += products_of(2, (0.10, 0.5, -0.3), (0.10, 0.5, 0.7))
    found = conflicts(tmp_path, measured(rows)).set_index("measure")
    per_run = {"minibatch": [0.3, 0.1], "large": [0.6, 0.4], "corrected": [0.36 / 0.8, 0.2 / 0.4**0.5]}
    assert found.index.tolist() == list(per_run)
    for measure, values in per_run.items():
        mean, half = np.mean(values), 12.706204736 * abs(values[0] - values[1]) / 2  # t(0.975, 1) times the error
        row = found.loc[measure]
        assert (row["first"], row["second"], row["n_runs"]) == ("a", "b", 2)
        assert row[["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([mean, mean - half, mean + half])


def test_a_gradient_that_noise_swamps_is_left_out_and_counted(tmp_path, caplog):
    good = [row for seed in (1, 2, 3) for row in products_of(seed, (0.1 * seed, 1.0, 1.0))]
    swamped = [row for seed in (4, 5) for row in products_of(seed, (0.5, 1.0, -0.2), (0.5, 1.0, 0.2))]
    found = conflicts(tmp_path, measured([*good, *swamped]))
    assert found[["measure", "n_runs"]].to_numpy().tolist() == [["corrected", 3]]
    assert found["mean"].tolist() == pytest.approx([0.2])
    caplog.clear()
    none = conflicts(tmp_path, measured([*good[:3], *swamped]))  # a single run is left
    assert len(none) == 0
    assert none.dtypes.to_dict() == found.dtypes.to_dict()
    assert "corrected cosine of a and b, method hard, level all: left out, since 1 of 3 runs has a value" in caplog.text


def test_runs_of_one_split_count_once_where_there_are_several(tmp_path):
    cosines = {1: (0.1, 0.3), 2: (0.5, 0.7), 3: (0.3, 0.3)}
    runs = [(split, seed, v) for split, values in cosines.items() for seed, v in enumerate(values)]
    rows = [row for split, seed, v in runs for row in steps_of(seed, (v, 9), split=split)]
    found = conflicts(tmp_path, measured(rows))
    expected = paired_t([0.2, 0.6, 0.3], [0.0, 0.0, 0.0], 0.95)
    assert found[["n_runs", "mean", "ci_low"]].to_numpy().tolist() == [
        [6, pytest.approx(expected.mean_difference), pytest.approx(expected.ci_low)]
    ]


def test_without_gradients_the_table_is_empty(tmp_path):
    assert len(conflicts(tmp_path, measured([]))) == 0


# ---------------------------------------------------------------- several splits


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
