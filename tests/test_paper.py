"""The paper room: figures, numbers and the PDF of a made-up study with any tasks and any methods."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from alloymtl.errors import UserError
from alloymtl.paper import figures, layout, tables
from paper_fixture import (
    REPOSITORY,
    build,
    drop_one_run,
    run_figures,
    run_numbers,
    run_tables,
    without,
)


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


@pytest.mark.parametrize("step", [run_tables, run_numbers])
def test_a_value_that_is_no_number_stops(simulated, tmp_path, step):
    def spoil(table):
        table.loc[table["metric"] == "f1", "value"] = np.nan
        return table

    with pytest.raises(UserError, match="f1"):
        step(without(simulated[0], tmp_path, "metrics", spoil), tmp_path)
