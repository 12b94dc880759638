"""The audit: what printed numbers imply, what it finds in the reported paper, and when it stops a build."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn import metrics as sk

from alloymtl.errors import UserError
from alloymtl.evaluation import audit
from alloymtl.evaluation.audit.arithmetic import (
    Printed,
    confusion,
    detectable_effect,
    implied_correlation,
    implied_sd,
    paired_range,
    percent_range,
    presence,
)
from alloymtl.evaluation.audit.registry import run_all
from alloymtl.evaluation.reported import read_claims
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import write_parquet

REPOSITORY = Path(__file__).parents[1]
PAPER = REPOSITORY / "paper" / "reported" / "2512.22740"
ORACLE = json.loads((Path(__file__).parent / "oracles" / "reported_checks.json").read_text(encoding="utf-8"))
PARTS = {
    "architecture": "hard",
    "loss": "mse",
    "smoothing": "none",
    "balancer": "inverse_size",
    "sampler": "uniform",
    "optimiser": "adam",
}
VALUES = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=9).map(np.array)


def method(training=None, **parts):
    named = {kind: {"name": name, "options": {}} for kind, name in {**PARTS, **parts}.items()}
    named["balancer"]["options"] = {"power": 1.0}
    return {"title": "", **named, "training": {"batch_size": 32, **(training or {})}}


METHODS = {
    "independent": method(architecture="independent", balancer="none"),
    "hard": method(),
    "structured": method(architecture="structured"),
    "lds": method(loss="lds"),
    "bmse": method(loss="bmc"),
    "gradnorm": method(balancer="gradnorm"),
    "pcgrad": method(balancer="pcgrad"),
    "lds_gradnorm": method(loss="lds", balancer="gradnorm"),
    "lds_pcgrad": method(loss="lds", balancer="pcgrad"),
    "bmse_pcgrad": method(loss="bmc", balancer="pcgrad"),
    "fds": method(smoothing="fds"),
    "lds_fds": method(loss="lds", smoothing="fds"),
    "patient": method(training={"patience": 60}),
    "doubled": method(),
}


def experiment(name, *methods, seeds=(1, 2, 3), split_seeds=(0,), levels=("all",)):
    pairs = [[methods[0], m] for m in methods[1:]]
    own = {"methods": methods, "comparisons": pairs, "levels": levels, "split_seeds": split_seeds, "seeds": seeds}
    return {"name": name, **{k: list(v) for k, v in own.items()}, "keep": []}


# --- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ORACLE["paired"], ids=lambda c: c["id"])
def test_range_of_p_values_is_the_oracle_s(case):
    exact = [Printed(*case[name]) for name in ("first", "second")]
    found, population = paired_range(*exact, case["n"]), paired_range(*exact, case["n"], population=True)
    assert [found.low, found.none, found.high] == pytest.approx(
        [case["p"][key] for key in ("p_r1_min", "p_r0", "p_rneg1_max")], rel=1e-9
    )
    assert [population.none, population.high] == pytest.approx(
        [case["p"]["p_r0_ddof0"], case["p"]["p_max_ddof0"]], rel=1e-9
    )


@settings(deadline=None)
@given(VALUES)
@example(np.array([[0.4951, 0.4049], [0.5, 0.4], [0.5049, 0.3951]]))  # deviations that print as 0.00
def test_no_pairing_of_rounded_numbers_leaves_the_range(pairs):
    x, y = pairs.T
    p = paired_t(x, y, 0.95).p_value
    printed = [Printed(round(v.mean(), 2), round(v.std(ddof=1), 2), 0.005, 0.005) for v in (x, y)]
    allowed = paired_range(*printed, len(x))
    assert allowed.low - 1e-9 <= p <= allowed.high + 1e-9


@pytest.mark.parametrize("case", ORACLE["correlation"], ids=lambda c: str(c["p"]))
def test_correlation_that_a_p_value_needs(case):
    pair = [Printed(*case[name], 0.0005, 0.0005) for name in ("first", "second")]
    assert implied_correlation(*pair, 5, case["p"]) == pytest.approx(case["correlation"], abs=0.005)
    allowed = paired_range(*pair, 5)
    assert (allowed.low <= case["p"] <= allowed.high) == case["possible"]


@settings(deadline=None)
@given(VALUES)
def test_implied_correlation_is_that_of_the_pairs(pairs):
    x, y = pairs.T
    assume(min(x.std(), y.std(), abs((x - y).mean())) > 1e-3 and (x - y).std() > 1e-3)
    p = paired_t(x, y, 0.95).p_value
    assume(1e-9 < p < 1 - 1e-9)
    exact = [Printed(v.mean(), v.std(ddof=1)) for v in (x, y)]
    assert implied_correlation(*exact, len(x), p) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-5)


def test_arithmetic_of_the_reported_tables():
    for case in ORACLE["percent"]:
        found = percent_range(case["before"], case["after"], 0.0005, 0.0005)
        assert found == pytest.approx(tuple(case["range"]), abs=0.006)
    for rmse, r2, sd in ORACLE["implied_sd"]:
        assert implied_sd(rmse, r2) == pytest.approx(sd, abs=0.0006)
    for case in ORACLE["confusion"]:
        found = confusion(*(case[key] for key in ("accuracy", "f1", "recall", "n")))
        assert found.precision == pytest.approx(case["precision"], abs=0.0006)
        for key in ("positives", "true_positives", "false_positives"):
            assert getattr(found, key) == pytest.approx(case[key], abs=0.06)
    assert detectable_effect(ORACLE["detectable"]["n"]) == pytest.approx(ORACLE["detectable"]["effect"], abs=0.005)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))
def test_confusion_gives_back_the_counts_that_made_the_scores(tp, fn, fp, tn):
    y = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    guess = np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])
    assume(fn + fp > 0)
    found = confusion(sk.accuracy_score(y, guess), sk.f1_score(y, guess), sk.recall_score(y, guess), y.size)
    assert (found.positives, found.true_positives, found.false_positives) == pytest.approx((tp + fn, tp, fp), abs=1e-6)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 64))
def test_presence_is_hypergeometric(rows, others, batch):
    total = rows + others
    assume(batch <= total)
    expected = 1 - hypergeom.pmf(0, total, rows, batch)
    assert presence(rows, total, batch) == pytest.approx(expected, abs=1e-9)


def test_batches_of_the_reported_study():
    told = ORACLE["batches"]
    for task, n in told["train"].items():
        assert presence(n, told["total"], told["batch"]) == pytest.approx(told["presence"][task], abs=5e-5)
    found = {row.found for row in paper_rows() if row.check == "batches"}
    assert any(f"{told['with_hardness']} of {told['steps']:,} steps" in text for text in found)
    assert any(f"weighs {told['outweighs']} times as much" in text for text in found)
    assert any(f"hardness and amorphous {told['both']:.1%}" in text for text in found)


# --- the reported paper ----------------------------------------------------------------------------------------------


@cache
def paper_rows():
    experiments = [
        experiment("main", "independent", "hard", "structured"),
        experiment("mitigation", "hard", *(m for m in METHODS if "lds" in m or "bmse" in m), "gradnorm", "pcgrad"),
        experiment("fds", "hard", "fds", "lds", "lds_fds"),
    ]
    claims = read_claims(PAPER / "claims.yaml")
    given_experiments = tuple(Experiment.from_dict(e) for e in experiments)
    return run_all(audit.reported(PAPER / "tables.csv", claims, {"methods": METHODS}, given_experiments))


def test_the_audit_finds_what_does_not_add_up_in_the_reported_tables():
    flags = {}
    for row in paper_rows():
        if row.verdict == "red flag":
            flags.setdefault(row.check, []).append(row)
    found = {check: " ".join(f"{r.where}: {r.found}" for r in rows) for check, rows in flags.items()}
    same = found["rows that agree in every digit"]
    assert len(flags["rows that agree in every digit"]) == 3
    assert "LDS Only and Balanced MSE agree" in same
    assert "Balanced MSE + PCGrad and LDS + PCGrad agree" in same
    assert "Baseline MSE, FDS Only and LDS + FDS agree" in same
    assert "0.724 (2); 0.668 (5); 0.761 (6, 7); 0.735 (8); range 0.093" in found["one baseline with several values"]
    assert "lds_fds differs from lds" in found["parts without effect"]
    assert "tables 6, 7, 8, 9" in found["tables without spread"]
    assert "best at 5000. Above independent (0.832) at 5000, 10000" in found["order of levels"]
    assert len(flags["p-values"]) == 2
    assert "printed p = 0.617" in found["p-values"]
    assert "correlation of -0.69" in found["p-values"]
    assert "3 of 12 tests cannot have p < 0.01 (hard, r2 of hardness" in found["claims of significance"]
    assert [r.where for r in flags["claims of significance"]] == ["arXiv:2512.22740v2, claim C017"]
    assert len(flags["what varies between runs"]) == 2
    assert "6 of 6 relations" in found["collapsed relations"]
    assert "resistivity" in found["units of errors"]
    assert "hardness" not in found["units of errors"]
    assert "hardness: max_error_z -37 %, p95_error_z +5 %" in found["mixed tails"]
    assert "percentages" not in flags


def test_percentages_of_the_paper_follow_or_were_rounded():
    notes = [r for r in paper_rows() if r.check == "percentages" and r.verdict == "note"]
    assert {(r.where.partition(": ")[2], "-2.8" in r.found) for r in notes if "table" in r.where} == {
        ("Balanced MSE + PCGrad, r2 of resistivity", True),
        ("LDS + PCGrad, r2 of resistivity", True),
        ("LDS + GradNorm, r2 of resistivity", False),
    }


def test_no_label_overlap_follows_from_the_printed_counts():
    (row,) = [r for r in paper_rows() if r.check == "label overlap"]
    assert "54,028 alloys carry 54,028 labels of 3 tasks: no alloy has two" in row.found


# --- the study's own results -----------------------------------------------------------------------------------------


SIZES = {"resistivity": 400, "hardness": 120, "amorphous": 130}
KINDS = {"resistivity": "regression", "hardness": "regression", "amorphous": "classification"}


def checksums(**of_methods):
    rows = [
        {"method": m, "level": "all", "split_seed": 0, "seed": seed, "predictions_sha256": sha}
        for m, several in of_methods.items()
        for seed, sha in zip((1, 2, 3), several, strict=True)
    ]
    return pd.DataFrame(rows)


def test_two_methods_that_predict_the_same_stop_the_build_by_name_and_run():
    runs = checksums(lds="abc", bmse="dbf")
    with pytest.raises(UserError, match=r"bmse/level-all/split-0/seed-2.*'lds'.*loss differs"):
        audit.identical_predictions(runs, METHODS, [], "made_up", SIZES, KINDS)
    assert [
        r.verdict for r in audit.identical_predictions(runs, METHODS, [{"lds", "bmse"}], "made_up", SIZES, KINDS)
    ] == ["ok"]


def test_methods_that_must_coincide_on_the_data_at_hand_are_noted_and_stop_nothing():
    """Weights by size are all one where tasks are equally large, and a loss for regressions idles without any."""
    weighted = {**METHODS, "plain": {**METHODS["hard"], "balancer": {"name": "none", "options": {}}}}
    same = checksums(hard="abc", plain="abc")
    with pytest.raises(UserError, match="balancer differs"):
        audit.identical_predictions(same, weighted, [], "made_up", SIZES, KINDS)
    equal = dict.fromkeys(SIZES, 120)
    rows = audit.identical_predictions(same, weighted, [], "made_up", equal, KINDS)
    assert {r.verdict for r in rows} == {"note"}
    classes = dict.fromkeys(KINDS, "classification")
    rows = audit.identical_predictions(checksums(lds="abc", bmse="abc"), METHODS, [], "made_up", SIZES, classes)
    assert {r.verdict for r in rows} == {"note"}


def test_the_same_predictions_under_another_seed_are_no_twins():
    rows = audit.identical_predictions(checksums(lds="abc", bmse="cab"), METHODS, [], "made_up", SIZES, KINDS)
    assert [r.verdict for r in rows] == ["ok"]


def test_methods_that_stop_alike_are_noted_and_doubles_are_the_config_s_mistake():
    (row,) = audit.identical_predictions(checksums(hard="abc", patient="xyc"), METHODS, [], "made_up", SIZES, KINDS)
    assert row.verdict == "note"
    assert "training.patience" in row.found
    with pytest.raises(UserError, match="'hard' and 'doubled' are the same method under two names"):
        audit.identical_predictions(checksums(hard="abc", doubled="abc"), METHODS, [], "made_up", SIZES, KINDS)


@pytest.fixture
def made_up(tmp_path):
    """A study of two tasks without common alloys: spec and inputs."""
    rng = np.random.default_rng(3)
    spec = {
        "study": "made_up",
        "tasks": [{"name": "density", "kind": "regression"}, {"name": "ductile", "kind": "classification"}],
        "experiments": [experiment("main", "independent", "hard", "structured")],
        "methods": METHODS,
        "evaluation": {"regression": ["r2"], "classification": ["f1"], "alpha": 0.05},
    }
    scores = {
        ("density", "r2"): 0.8,
        ("density", "rmse_z"): math.sqrt(0.2),
        **{("ductile", m): v for m, v in {"f1": 0.7, "accuracy": 0.8, "recall": 0.62}.items()},
    }
    cells = [(m, "all", 0, seed) for m in spec["experiments"][0]["methods"] for seed in (1, 2, 3)]
    keys = ["method", "level", "split_seed", "seed"]
    metrics = [(*c, *s, "test", v + 0.001 * rng.normal()) for c in cells for s, v in scores.items()]
    relations = [
        (*c, t, s, float(t == s) or (0.03 if c[-1] == 1 else 1e-6))
        for c in cells
        if c[0] == "structured"
        for t in ("density", "ductile")
        for s in ("density", "ductile")
    ]
    split = [(0, f"{t}{i}", t, p) for t, n in {"density": 400, "ductile": 40}.items() for i, p in enumerate(parts(n))]
    tables = {
        "metrics": pd.DataFrame(metrics, columns=[*keys, "task", "metric", "partition", "value"]),
        "relations": pd.DataFrame(relations, columns=[*keys, "task", "source", "strength"]),
        "runs": pd.DataFrame([(*c, f"{i}") for i, c in enumerate(cells)], columns=[*keys, "predictions_sha256"]),
        "split": pd.DataFrame(split, columns=["split_seed", "alloy", "task", "partition"]),
    }
    for name, table in tables.items():
        write_parquet(tmp_path / f"{name}.parquet", table)
    return spec, {name: tmp_path / f"{name}.parquet" for name in tables}


def parts(n):
    return ["train"] * (n * 7 // 10) + ["validation"] * (n * 3 // 20) + ["test"] * (n - n * 7 // 10 - n * 3 // 20)


def run_audit(spec, inputs, folder):
    audit.step(spec, inputs, {"audit": folder / "audit.csv"})
    return pd.read_csv(folder / "audit.csv", keep_default_na=False)


def test_a_study_without_a_paper_is_audited_by_itself(made_up, tmp_path):
    table = run_audit(*made_up, tmp_path)
    assert list(table) == list(audit.COLUMNS)
    assert set(table["where"].str.partition(",")[0]) == {"study made_up"}
    found = table.set_index("check")["found"]
    assert "440 alloys carry 440 labels of 2 tasks: no alloy has two" in found["label overlap"]
    assert "one split and 3 seeds" in found["what varies between runs"]
    assert found["identical predictions"].startswith("no two methods predict the same in any of 9 runs")
    assert "2 of 2 relations" in found["collapsed relations"]
    assert re.search(r"SD of (0.99|1.00)", found["units of errors"])


def test_with_a_paper_both_are_audited(made_up, tmp_path):
    spec, inputs = made_up
    paper = {"reported": PAPER / "tables.csv", "claims": PAPER / "claims.yaml"}
    table = run_audit(spec, {**inputs, **paper}, tmp_path)
    sources = table["where"].str.partition(",")[0]
    assert set(sources) == {"arXiv:2512.22740v2", "study made_up"}
    flags = table[table["verdict"] == "red flag"]
    assert (flags["severity"] != "info").all()
    assert (flags["mend"] != "").all()


def test_shared_alloys_are_counted(made_up, tmp_path):
    spec, inputs = made_up
    split = pd.read_parquet(inputs["split"])
    split.loc[split["alloy"] == "ductile0", "alloy"] = "density0"
    write_parquet(inputs["split"], split)
    row = run_audit(spec, inputs, tmp_path).set_index("check").loc["label overlap"]
    assert row["verdict"] == "ok"
    assert "439 alloys carry 440 labels" in row["found"]
