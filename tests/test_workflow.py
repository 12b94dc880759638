"""The workflow as a user meets it: real runs of a small study, and what is run again after a change."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

import checkout
from alloymtl.paper.layout import FIGURES, TABLES

TARGETS = ["all"] if shutil.which("latexmk") else ["data", "runs", "tables", "figures", "claims"]
MAIN = {
    "methods": ["independent", "structured"],
    "comparisons": [["independent", "structured"]],
    "seeds": [1, 2, 3],
}
# What the small study includes; a test that changes a section writes it into the study.
BASE = {
    "methods": {
        "independent": {"architecture": "independent"},
        "structured": {"architecture": "structured", "balancer": "inverse_size"},
    },
    "training": {"max_epochs": 3, "hidden": [16]},
}
SMALL = {
    "study": "small",
    "include": ["base.yaml"],
    # One kind of sample for all tasks: films of 400 rows would be of too few systems for a grouped split.
    "simulation": {"rows": {"resistivity": 400, "hardness": 120, "amorphous": 130}, "pool": "bulk"},
    "tasks": {
        "resistivity": {"kind": "regression", "unit": "uohm_cm", "minimum": 0},
        "hardness": {"kind": "regression", "unit": "GPa", "minimum": 0},
        "amorphous": {"kind": "classification"},
    },
    "diagnostics": {"gradients": {"epoch_interval": 1, "rows": 64}},
    "experiments": {
        "main": MAIN,
        "conflict": {"methods": ["structured"], "comparisons": [], "seeds": [1, 2], "keep": ["gradients"]},
    },
    "controls": {
        "grouped": {
            "split": {"kind": "grouped"},
            "experiments": {"main": {**MAIN, "methods": ["structured"], "comparisons": [], "seeds": [1, 2]}},
        }
    },
}


def configure(folder, **changes):
    """Write the small study's config with some top-level sections replaced, and what it includes."""
    for name, content in {"small": {**SMALL, **changes}, "base": BASE}.items():
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def with_file(task, path):
    """The tasks of the small study, one of them read from a file of the user's."""
    source = {"path": path, "label": "hardness (GPa)", "composition": {"basis": "at.%"}}
    return {**SMALL["tasks"], task: {**SMALL["tasks"][task], "sources": [source]}}


def snakemake(folder, *arguments, cores=2):
    return checkout.run(folder, "--configfile", "small.yaml", "--cores", str(cores), *arguments)


def planned(folder, *targets):
    """Jobs that a dry run would execute: {rule: count}, without the targets themselves and the lists of code."""
    result = snakemake(folder, "-n", "--", *(targets or TARGETS))
    assert result.returncode == 0, result.stdout + result.stderr
    found = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, flags=re.M))
    return {
        rule: int(n)
        for rule, n in found.items()
        if rule not in {"total", "all", "tables", "figures", "paper", "data", "claims", "code", "code_in_grouped"}
    }


def lay_out(folder):
    """The project's files and the small study in an empty folder."""
    configure(checkout.lay_out(folder))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = lay_out(tmp_path_factory.mktemp("project"))
    result = snakemake(folder, *TARGETS)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """A finished study of this test's own."""
    return Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))


def test_the_chain_ends_in_everything_that_it_promises(finished):
    results = finished / "results" / "small"
    for name in ("alloys", "features", "split"):
        assert (results / "data" / f"{name}.parquet").is_file()
    rejects = (results / "data" / "rejects.csv").read_text().splitlines()
    assert rejects[0] == "file,member,row,task,column,value,rule,reason,mend"
    metrics = pd.read_parquet(results / "metrics.parquet")
    assert metrics.columns.tolist() == [
        "method", "level", "split_seed", "seed", "task", "partition", "metric", "value",
    ]  # fmt: skip
    assert metrics.value.notna().all()
    assert len(metrics.groupby(["method", "seed"])) == 6
    comparisons = pd.read_parquet(results / "comparisons.parquet")
    contract = (
        "baseline method level task metric n_pairs mean_difference ci_low ci_high t p_value p_holm effect_size verdict"
    )
    assert set(contract.split()) <= set(comparisons.columns)
    assert (comparisons.n_pairs == 3).all()
    levels = pd.read_parquet(results / "level_comparisons.parquet")
    assert len(levels) == 0  # one level
    conflict = pd.read_parquet(results / "conflict.parquet")
    assert set(conflict.measure) >= {"minibatch", "large"}
    assert set(conflict.method) == {"structured"}
    assert conflict[["mean", "ci_low", "ci_high"]].notna().all(axis=None)
    assert set(conflict.n_runs) <= {2, 3}  # all runs of the method are measured, also those of another experiment
    assert (results / "claims.csv").is_file()
    record = json.loads((results / "runs/structured/level-all/split-42/seed-1/record.json").read_text())
    assert record["simulated"] is True
    assert record["specification"]["seed"] == 1
    assert record["labels"]["hardness"] == {"train": 84, "validation": 18, "test": 18}
    for stem in TABLES:
        assert all((results / "tables" / f"{stem}.{kind}").stat().st_size for kind in ("csv", "tex"))
    for stem in FIGURES:
        assert all((results / "figures" / f"{stem}.{kind}").stat().st_size for kind in ("pdf", "png", "csv"))
    if "all" in TARGETS:
        assert (results / "paper" / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_a_control_shares_the_alloys_of_its_study_and_has_the_rest_to_itself(finished):
    results = finished / "results" / "small"
    control = results / "controls" / "grouped"
    assert {path.name for path in (control / "data").iterdir()} == {"split", "split.parquet", "leakage.csv"}
    features = pd.read_parquet(results / "data" / "features.parquet")
    split = pd.read_parquet(control / "data" / "split.parquet").merge(features[["alloy", "system"]], on="alloy")
    assert (split.groupby("system").partition.nunique() == 1).all()
    assert pd.read_parquet(control / "metrics.parquet").groupby(["method", "seed"]).ngroups == 2
    record = json.loads((control / "runs/structured/level-all/split-42/seed-1/record.json").read_text())
    own = json.loads((results / "runs/structured/level-all/split-42/seed-1/record.json").read_text())
    assert record["inputs"]["features"] == own["inputs"]["features"]
    assert record["inputs"]["split"] != own["inputs"]["split"]


def test_a_second_run_does_nothing(finished):
    assert planned(finished) == {}


def test_touched_sources_and_a_checkout_rerun_nothing(project):
    for file in [*project.rglob("*.py"), *project.rglob("*.smk"), *project.rglob("*.j2"), project / "Snakefile"]:
        file.write_bytes(file.read_bytes())  # same content, new time: what a checkout leaves
    assert planned(project) == {}


def append(file, text="\n# another comment\n"):
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(text)


def test_a_change_of_a_figures_code_redraws_and_retrains_nothing(project):
    append(project / "workflow/alloymtl/paper/figures/__init__.py")
    assert set(planned(project)) <= {"make_figures", "render"}
    assert planned(project)["make_figures"] == 1


def test_a_change_of_one_methods_code_trains_its_runs_alone(project):
    append(project / "workflow/alloymtl/methods/architectures/structured.py")
    jobs = planned(project, "runs")
    assert jobs == {"train_structured": 3, "train_structured_in_grouped": 2, "runs": 1}


def test_a_new_method_and_a_new_seed_train_their_own_runs_alone(project):
    methods = {"hard": {"architecture": "hard"}}  # over those that are included
    experiments = SMALL["experiments"]

    def main(**changes):
        return {**experiments, "main": {**MAIN, **changes}}

    configure(project, methods=methods, experiments=main(methods=["independent", "structured", "hard"]))
    assert planned(project, "runs") == {"train_hard": 3, "runs": 1}
    configure(project, experiments=main(seeds=[1, 2, 3, 4]))
    assert planned(project, "runs") == {"train_independent": 1, "train_structured": 1, "runs": 1}
    configure(project, experiments=main(split_seeds=[42, 43]))
    assert planned(project, "runs") == {"split": 1, "train_independent": 3, "train_structured": 3, "runs": 1}


def test_another_split_of_a_control_trains_its_own_runs_alone(project):
    controls = json.loads(json.dumps(SMALL["controls"]))
    controls["grouped"]["split"]["test"] = 0.2
    configure(project, controls=controls)
    assert planned(project, "runs") == {"split_in_grouped": 1, "train_structured_in_grouped": 2, "runs": 1}


def test_new_code_that_reads_configs_reruns_nothing(project):
    for name in ("study", "method", "config", "components", "cli", "errors"):
        append(project / f"workflow/alloymtl/{name}.py")
    assert planned(project) == {}


def test_another_title_redraws_and_retrains_nothing(project):
    tasks = json.loads(json.dumps(SMALL["tasks"]))
    tasks["hardness"]["title"] = "Indentation hardness"
    configure(project, paper={"title": "Another title"}, tasks=tasks)
    # Steps that read the study as a whole; none of them trains or scores.
    told = {"describe", "describe_in_grouped", "synergy", "judge", "audit"}
    told |= {"delta", "equivalence", "norms", "balancing_costs"}
    assert set(planned(project)) <= {"make_tables", "make_figures", "numbers", "render", *told}


def test_a_deleted_record_retrains_one_run_which_ends_as_before(project):
    run = project / "results/small/runs/structured/level-all/split-42/seed-2"
    before = {f"{name}.parquet": (run / f"{name}.parquet").read_bytes() for name in ("predictions", "gradients")}
    metrics = (project / "results/small/metrics.parquet").read_bytes()
    (run / "record.json").unlink()
    jobs = planned(project)
    assert {rule: n for rule, n in jobs.items() if rule.startswith("train")} == {"train_structured": 1}
    assert snakemake(project, "results/small/metrics.parquet").returncode == 0
    assert {name: (run / name).read_bytes() for name in before} == before
    assert (project / "results/small/metrics.parquet").read_bytes() == metrics


def test_one_core_and_two_cores_give_the_same_bytes(finished, tmp_path):
    folder = lay_out(tmp_path)
    result = snakemake(folder, "results/small/comparisons.parquet", cores=1)
    assert result.returncode == 0, result.stdout + result.stderr
    tables = ("metrics", "predictions", "comparisons", "gradients")
    for name in ("data/features.parquet", *(f"{table}.parquet" for table in tables)):
        assert (folder / "results/small" / name).read_bytes() == (finished / "results/small" / name).read_bytes(), name


def test_a_run_killed_in_the_middle_leaves_nothing_half_written_and_goes_on_to_the_same_end(project, tmp_path):
    configure(project, training={"max_epochs": 100, "patience": 100, "hidden": [16]})
    twin = Path(shutil.copytree(project, tmp_path / "twin", symlinks=True))
    run = "results/small/runs/structured/level-all/split-42/seed-1"
    shutil.rmtree(project / run)
    child = checkout.start(
        project, tmp_path / "killed.log", "--configfile", "small.yaml", "--cores", "1", f"{run}/record.json",
        ALLOYMTL_CHECKPOINT_SECONDS="0",
    )  # fmt: skip
    deadline = time.time() + 120
    while not list((project / run).glob("*.checkpoint.npz")) and time.time() < deadline:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    left = {file.name for file in (project / run).iterdir() if not file.name.startswith(".")}
    assert any(name.endswith(".checkpoint.npz") for name in left)
    tables = ("predictions.parquet", "history.parquet", "relations.parquet", "gradients.parquet")
    assert not left & {"record.json", *tables}
    assert snakemake(project, "--unlock").returncode == 0
    again = snakemake(project, f"{run}/record.json", "--rerun-incomplete")
    assert again.returncode == 0, again.stderr
    assert "resumes after epoch" in again.stdout + again.stderr
    undisturbed = snakemake(twin, f"{run}/record.json")
    assert undisturbed.returncode == 0, undisturbed.stderr
    for name in tables:
        assert (project / run / name).read_bytes() == (twin / run / name).read_bytes()


# ---------------------------------------------------------------- a user's mistakes


def said(result):
    """What the user reads; never a traceback."""
    text = result.stdout + result.stderr
    assert result.returncode != 0, text
    assert "Traceback" not in text, text
    return text


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("mehtods", {}, "small.yaml: unknown key 'mehtods'. Mend: did you mean 'methods'?"),
        ("methods", {"hard": {"architecture": "herd"}}, "small.yaml: methods.hard.architecture: there is no"),
        ("data", {"elements": ["Al", "Xx"]}, "data.elements"),
        ("evaluation", {"regression": ["r3"]}, "small.yaml: evaluation.regression[0]: there is no metric 'r3'"),
        ("include", ["bse.yaml"], "bse.yaml: this config does not exist. Mend: correct the path in"),
        ("controls", {"grouped": {"data": {"elements": ["Al", "Xx"]}}}, "small.yaml: controls.grouped: data.elements"),
        ("paper", {"reported": "2512.22741"}, "small.yaml: paper.reported: there is no folder paper/reported/2512"),
    ],
)
def test_a_mistake_in_the_config_ends_before_any_job_in_one_line(tmp_path, section, content, message):
    folder = lay_out(tmp_path)
    configure(folder, **{section: content})
    text = said(snakemake(folder, "all"))
    assert message in text
    assert len([line for line in text.splitlines() if line.strip()]) == 1, text


def test_a_missing_raw_file_ends_before_any_job_in_one_line(tmp_path):
    folder = lay_out(tmp_path)
    configure(folder, tasks=with_file("hardness", "measured/hardness.csv"))
    text = said(snakemake(folder, "all"))
    assert "measured/hardness.csv: this raw file does not exist." in text
    assert len([line for line in text.splitlines() if line.strip()]) == 1, text


def defect(row, column, value):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (defect(5, "Al", 55.5), r"hardness\.csv, row 7, .*sum"),
        (defect(5, "hardness (GPa)", -1.0), r"hardness\.csv, row 7, .*hardness \(GPa\).*-1"),
        (lambda table: table.iloc[:0], r"hardness\.csv.*(empty|no data)"),
        (lambda table: table.rename(columns={"hardness (GPa)": "HV"}), r"hardness\.csv.*no column 'hardness \(GPa\)'"),
    ],
    ids=["composition does not sum", "negative label", "empty file", "missing column"],
)
def test_a_mistake_in_a_raw_file_ends_before_training_and_names_the_place(project, change, message):
    raw = project / "results/small/raw/hardness.csv"
    measured = project / "measured" / "hardness.csv"
    measured.parent.mkdir()
    change(pd.read_csv(raw)).to_csv(measured, index=False)
    configure(project, tasks=with_file("hardness", "measured/hardness.csv"))
    text = said(snakemake(project, *TARGETS))
    last = [line for line in text.splitlines() if line.startswith("error: ")]
    assert last, text
    assert re.search(message, last[-1]), text
    assert "(log: results/small/logs/" in last[-1]
    assert "train_" not in "".join(re.findall(r"^(?:local)?rule (\w+):", text, flags=re.M))
    if "row 7" in message:
        assert "measured/hardness.csv,,7,hardness," in (project / "results/small/data/rejects.csv").read_text()
