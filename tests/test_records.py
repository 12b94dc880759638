"""Shipped records: what they stand for, what they refuse, and a study that is rebuilt from them without training."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alloymtl.errors import UserError
from alloymtl.evaluation import collect, manifest, records, renew, verify
from alloymtl.evaluation.coverage import Coverage, data_modules, data_specification, measured_files, rebuilds
from alloymtl.evaluation.manifest import NAME, TABLES, Manifest, checksum, prefix
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.shipped import DIGITS, content_checksum
from alloymtl.study import Study
from run_fixture import seal
from test_workflow import append, lay_out, planned, said, snakemake

SHIPPED = Path("records/tiny")
FLOOR = 2.0 ** (1 - DIGITS)
MAIN = {"methods": ["independent", "structured"], "comparisons": [], "seeds": [1, 2, 3]}
TINY = {
    "study": "tiny",
    "data": {"elements": ["Al", "Cu"]},
    "tasks": {
        "density": {
            "kind": "regression",
            "unit": "g/cm3",
            "sources": [
                {
                    "path": "raw.csv",
                    "label": "density",
                    "composition": {"basis": "at.%"},
                }
            ],
        },
        "ductile": {
            "kind": "classification",
            "sources": [
                {
                    "path": "raw.csv",
                    "label": "ductile",
                    "composition": {"basis": "at.%"},
                }
            ],
        },
    },
    "methods": {
        "independent": {"architecture": "independent"},
        "structured": {"architecture": "structured", "balancer": "inverse_size"},
    },
    "experiments": {"main": MAIN},
    "controls": {
        "grouped": {
            "split": {"kind": "grouped"},
            "experiments": {"main": {**MAIN, "seeds": [1, 2]}},
        }
    },
}


def tiny(**changes):
    return Study.from_config({**TINY, **changes}, "tiny.yaml")


def studies(study):
    return {"": study, **study.controls}


def score(run, task, partition, metric):
    """A number in which every digit depends on the run."""
    name = f"{run.folder}{task}{partition}{metric}{run.simulated}"
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def write_data(study):
    """Features and partitions, as files of any content."""
    rng = np.random.default_rng(0)
    features = Path(study.data_root, "data/features.parquet")
    features.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"alloy": [f"a{i}" for i in range(50)], "x": rng.normal(size=50)}).to_parquet(features)
    for seed in study.split_seeds:
        split = Path(study.root, f"data/split/{seed}.parquet")
        split.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"alloy": [f"a{i}" for i in range(50)], "partition": "test", "seed": seed}).to_parquet(split)
    return features


def write_run(study, run, features):
    """The files that a training job leaves behind."""
    folder = Path(study.root, "runs", run.folder)
    folder.mkdir(parents=True)
    inputs = {
        "features": features,
        "split": Path(study.root, f"data/split/{run.split_seed}.parquet"),
    }
    content = {
        "specification": run.to_dict(),
        "metrics": {
            t.name: {p: {m: score(run, t.name, p, m) for m in NAMES[t.kind]} for p in ("validation", "test")}
            for t in run.tasks
        },
        "best_epoch": {t.name: 2 for t in run.tasks},
        "stages": {"all": {"epochs": 5, "steps": 50, "trainings": 1}},
        "seconds": 1.5,
        "engine": "reference",
        "versions": {"python": "3", "numpy": "2"},
        "git_commit": "0" * 40,
        "predictions_sha256": hashlib.sha256(run.folder.encode()).hexdigest(),
        "inputs": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in inputs.items()},
    }
    (folder / "record.json").write_text(json.dumps(content))
    names = [t.name for t in run.tasks]
    rows = [(f"a{i}", t, p, 1.0, score(run, t, p, i)) for t in names for p in ("validation", "test") for i in range(3)]
    columns = ["alloy", "task", "partition", "target", "prediction"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "predictions.parquet")
    rows = [(e, t, p, score(run, t, p, e), 0.001) for e in (1, 2) for t in names for p in ("train", "validation")]
    columns = ["epoch", "task", "partition", "loss", "learning_rate"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "history.parquet")
    for extra in study.methods[run.method].extras():
        rows = [(t, s, score(run, t, s, extra)) for t in names for s in names]
        pd.DataFrame(rows, columns=["task", "source", "strength"]).to_parquet(folder / f"{extra}.parquet")
    seal(folder)


def collect_all(study, shipped=None):
    """Collect the study and its controls; the bytes of each table."""
    found = {}
    for name, one in studies(study).items():
        spec = {
            "runs": f"{one.root}/runs",
            "control": name,
            "experiments": [asdict(e) for e in one.experiments.values()],
            "tasks": [{"name": t.name, "kind": t.kind} for t in one.tasks],
            "extras": {m.name: m.extras() for m in one.trained},
        }
        outputs = {table: Path(one.root, f"{table}.parquet") for table in TABLES}
        splits = {f"split.{seed}": Path(one.root, f"data/split/{seed}.parquet") for seed in one.split_seeds}
        data = {"features": Path(one.data_root, "data/features.parquet"), **splits}
        collect.step(
            spec,
            {} if shipped is None else {"manifest": shipped / NAME, **data},
            outputs,
        )
        found |= {f"{prefix(name)}{table}": path.read_bytes() for table, path in outputs.items()}
    return found


def ship_spec(study):
    return {
        "study": study.name,
        "studies": {
            name: {
                "root": one.root,
                "features": f"{one.data_root}/data/features.parquet",
                "splits": [f"{one.root}/data/split/{seed}.parquet" for seed in one.split_seeds],
                "data": checksum(data_specification(one)),
                "modules": data_modules(one),
                "raw": measured_files(one),
            }
            for name, one in studies(study).items()
        },
    }


def ship(study, before=None):
    """Ship what is collected, as `make ship` does; the bytes of each file."""
    made = Path(study.root, "records")
    records.step(
        ship_spec(study),
        {} if before is None else {"shipped": before / NAME},
        {"manifest": made / NAME},
    )
    shutil.rmtree(SHIPPED, ignore_errors=True)
    shutil.copytree(made, SHIPPED)
    return {str(path.relative_to(SHIPPED)): path.read_bytes() for path in SHIPPED.rglob("*") if path.is_file()}


def forget_runs(study):
    for one in studies(study).values():
        shutil.rmtree(Path(one.root, "runs"), ignore_errors=True)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A study whose runs are there, as is what they were trained from."""
    monkeypatch.chdir(tmp_path)
    Path("raw.csv").write_text("Al,Cu,density,ductile\n")
    study = tiny()
    for one in studies(study).values():
        features = write_data(one)
        for run in one.runs():
            write_run(one, run, features)
    return study


@pytest.fixture
def shipped(trained):
    """The same study with its records shipped and its runs gone."""
    collect_all(trained)
    ship(trained)
    forget_runs(trained)
    return trained


def folders(study):
    return {name: {run.folder for run in one.runs()} for name, one in studies(study).items()}


def covered(study, stale=False):
    coverage = Coverage(study, SHIPPED)
    return {name: set(coverage.covered(name, stale)) for name in studies(study)}


def edit_manifest(change):
    content = json.loads((SHIPPED / NAME).read_text())
    change(content)
    (SHIPPED / NAME).write_text(json.dumps(content))


# ---------------------------------------------------------------- what is collected from records


def test_tables_from_records_are_those_from_runs_to_the_byte(trained):
    from_runs = collect_all(trained)
    ship(trained)
    for left in ("all", "some", "none"):
        for one in studies(trained).values():
            runs = Path(one.root, "runs")
            if left == "some":
                shutil.rmtree(runs / "structured")
            elif left == "none":
                shutil.rmtree(runs)
        assert collect_all(trained, SHIPPED) == from_runs, left


def test_shipping_again_gives_the_same_files_from_runs_from_records_or_from_both(
    trained,
):
    collect_all(trained)
    first = ship(trained)
    assert len(first) == 1 + 2 * len(TABLES)
    shutil.rmtree(Path(trained.root, "runs/structured"))
    collect_all(trained, SHIPPED)
    assert ship(trained, before=SHIPPED) == first
    forget_runs(trained)
    collect_all(trained, SHIPPED)
    assert ship(trained, before=SHIPPED) == first


def test_a_run_that_is_neither_trained_nor_shipped_is_not_shipped(trained):
    collect_all(trained)
    shutil.rmtree(Path(trained.root, "runs/structured"))
    with pytest.raises(
        UserError,
        match=r"runs/structured/.*: this run has neither a record nor a shipped one",
    ):
        ship(trained)


def test_a_run_of_other_data_than_there_are_is_not_shipped(trained):
    collect_all(trained)
    edit_run = Path(trained.root, "runs/structured/level-all/split-42/seed-2/record.json")
    edit_run.write_text(edit_run.read_text().replace('"features": "', '"features": "0'))
    with pytest.raises(UserError, match="not the one that its checksum is of"):
        ship(trained)
    seal(edit_run.parent)
    with pytest.raises(
        UserError,
        match=r"structured/level-all/split-42/seed-2: .* other features than there are now",
    ):
        ship(trained)


@pytest.mark.parametrize("table", ["metrics", "controls/grouped/predictions"])
def test_a_file_that_was_tampered_with_is_named(shipped, table):
    path = SHIPPED / f"{table}.parquet"
    frame = pd.read_parquet(path)
    frame.loc[0, frame.columns[-1]] += 1e-12
    frame.to_parquet(path)
    with pytest.raises(
        UserError,
        match=rf"{table}\.parquet: .*checksum differs.* Mend: `git checkout -- records/tiny`",
    ):
        collect_all(shipped, SHIPPED)
    path.unlink()
    with pytest.raises(
        UserError,
        match=rf"{table}\.parquet: this file of the shipped records is missing",
    ):
        collect_all(shipped, SHIPPED)


@pytest.mark.parametrize("name", ["data/features", "data/split/42", "controls/grouped/data/split/42"])
def test_records_of_other_data_are_refused_and_the_file_is_named(shipped, name):
    path = Path(shipped.root, f"{name}.parquet")
    frame = pd.read_parquet(path)
    frame.iloc[0], frame.iloc[1] = frame.iloc[1].copy(), frame.iloc[0].copy()
    frame.to_parquet(path)
    with pytest.raises(
        UserError,
        match=rf"{name}\.parquet: the records in records/tiny were made from other data",
    ):
        collect_all(shipped, SHIPPED)


def test_data_that_differ_in_their_last_digits_are_the_same_data(shipped):
    before = {table: (SHIPPED / f"{table}.parquet").read_bytes() for table in TABLES}
    features = Path(shipped.data_root, "data/features.parquet")
    frame = pd.read_parquet(features)
    frame["x"] = np.nextafter(frame["x"], np.inf)
    frame.to_parquet(features, compression="gzip")
    found = collect_all(shipped, SHIPPED)
    assert {table: found[table] for table in TABLES} == before


def renewed(study):
    """Renew the shipped records for a study, as `make renew` does."""
    inputs, outputs = {"manifest": SHIPPED / NAME}, {"manifest": Path(study.root, "renewed", NAME)}
    renew.step(ship_spec(study), inputs, outputs)
    shutil.copy(outputs["manifest"], SHIPPED / NAME)


def test_records_can_be_made_to_stand_for_a_new_config_of_the_same_data_and_of_no_other(shipped):
    before = (SHIPPED / NAME).read_text()
    other = tiny(data={"elements": ["Al", "Cu"], "traces": 0.5})
    assert covered(other) == {"": set(), "grouped": set()}
    renewed(other)
    assert covered(other) == folders(other)
    assert covered(shipped) == {"": set(), "grouped": set()}
    renewed(shipped)
    assert (SHIPPED / NAME).read_text() == before
    path = Path(shipped.root, "data/split/42.parquet")
    frame = pd.read_parquet(path)
    frame.loc[0, "partition"] = "train"
    frame.to_parquet(path)
    with pytest.raises(UserError, match=r"split/42\.parquet: the records in records/tiny were made from other data"):
        renewed(other)
    with pytest.raises(UserError, match="they hold runs of split seed 42, which the config does not have"):
        renewed(tiny(split_seeds=[7]))


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.data())
def test_contents_agree_to_the_last_digit_and_differ_in_the_fifth(tmp_path_factory, values, draw):
    folder = tmp_path_factory.mktemp("contents")

    def content(numbers):
        pd.DataFrame({"x": [*numbers, np.nan]}).to_parquet(folder / "t.parquet")
        return content_checksum(folder / "t.parquet")

    # Away from where rounding turns: a machine's last digit crosses such an edge once in ten thousand tables.
    scale = 2.0 ** np.frexp(max(np.abs(values)))[1]
    # A column that holds nothing above a millionth counts as empty (the test below).
    assume(scale > FLOOR)
    values = np.round(np.array(values) / scale * 2**19) / 2**19 * scale
    row = draw.draw(st.integers(0, len(values) - 1))
    noisy, changed = values.copy(), values.copy()
    noisy[row] += 1e-15 * scale * draw.draw(st.sampled_from([-1, 1]))
    changed[row] += 1e-5 * scale * draw.draw(st.sampled_from([-1, 1]))
    assert content(noisy) == content(values)
    assert content(changed) != content(values)


@given(st.lists(st.floats(-FLOOR / 4, FLOOR / 4), min_size=1, max_size=20))
def test_a_column_of_nothing_but_last_digits_has_the_content_of_zeros(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("floor")
    checksums = set()
    for numbers in (np.array(values) * 2.0**-DIGITS, np.zeros(len(values))):
        pd.DataFrame({"x": numbers}).to_parquet(folder / "t.parquet")
        checksums.add(content_checksum(folder / "t.parquet"))
    assert len(checksums) == 1


# ---------------------------------------------------------------- which runs records stand for


def test_records_stand_for_every_run_of_their_study_and_its_controls(shipped):
    assert covered(shipped) == folders(shipped)
    shutil.rmtree(SHIPPED)
    assert covered(shipped) == {"": set(), "grouped": set()}


def test_a_run_that_was_trained_here_comes_before_its_record(shipped):
    run = shipped.runs()[0]
    write_run(shipped, run, Path(shipped.data_root, "data/features.parquet"))
    everything = folders(shipped)
    assert covered(shipped) == {**everything, "": everything[""] - {run.folder}}


def test_another_specification_is_another_run_of_its_method_alone(shipped):
    structured = {**TINY["methods"]["structured"], "training": {"learning_rate": 0.01}}
    changed = tiny(methods={**TINY["methods"], "structured": structured})
    for name, found in covered(changed).items():
        assert found == {folder for folder in folders(changed)[name] if folder.startswith("independent/")}
    more = tiny(experiments={"main": {**MAIN, "seeds": [1, 2, 3, 4]}})
    assert folders(more)[""] - covered(more)[""] == {f"{m}/level-all/split-42/seed-4" for m in MAIN["methods"]}


def test_other_data_of_a_study_or_of_a_control_are_not_stood_for(shipped):
    assert covered(tiny(data={"elements": ["Al", "Cu", "Mg"]})) == {
        "": set(),
        "grouped": set(),
    }
    control = {**TINY["controls"]["grouped"], "split": {"kind": "grouped", "test": 0.2}}
    assert covered(tiny(controls={"grouped": control})) == {
        **folders(shipped),
        "grouped": set(),
    }
    titled = {
        **TINY["tasks"],
        "density": {**TINY["tasks"]["density"], "title": "Mass density"},
    }
    assert covered(tiny(tasks=titled)) == folders(shipped)
    Path("raw.csv").write_text("Al,Cu,density,ductile\n100,0,2.7,1\n")
    assert covered(shipped) == {"": set(), "grouped": set()}


def test_a_run_of_which_more_is_kept_than_was_shipped_is_not_stood_for(trained):
    soft = {
        "methods": ["structured"],
        "comparisons": [],
        "seeds": [1, 2],
        "levels": [20],
    }
    study = tiny(experiments={"main": MAIN, "soft": soft})
    for run in (run for run in study.runs() if run.level == 20):
        write_run(study, run, Path(study.data_root, "data/features.parquet"))
    collect_all(study)
    ship(study)
    forget_runs(study)
    assert covered(study) == folders(study)
    keeping = tiny(experiments={"main": MAIN, "soft": {**soft, "keep": ["predictions"]}})
    assert covered(keeping)[""] == {folder for folder in folders(study)[""] if "level-all" in folder}


def test_other_code_of_a_method_makes_its_records_stale_and_names_it(shipped):
    def change(content):
        for run in content["runs"]:
            if run["method"] == "structured":
                run["code"] = "0" * 64

    assert Coverage(shipped, SHIPPED).note() is None
    edit_manifest(change)
    assert covered(shipped, stale=True) == folders(shipped)
    for found in covered(shipped, stale=False).values():
        assert found
        assert all(folder.startswith("independent/") for folder in found)
    note = Coverage(shipped, SHIPPED).note()
    assert note.startswith("records/tiny: the code behind structured has changed")
    assert "independent" not in note


def test_other_code_of_the_data_makes_all_records_of_the_study_stale(shipped):
    edit_manifest(lambda content: content["data"][""].update(code="0" * 64))
    assert covered(shipped, stale=True) == folders(shipped)
    assert covered(shipped, stale=False) == {**folders(shipped), "": set()}
    assert "the code behind the data has changed" in Coverage(shipped, SHIPPED).note()


def test_the_code_of_a_run_is_that_of_its_method_and_of_what_trains_it(trained, monkeypatch):
    def changed(file):
        """Methods whose records are stale after a change of a source file, and whether the data are."""
        monkeypatch.setattr(
            manifest,
            "_source_checksum",
            lambda f: "other" if f.endswith(file) else checksum(f),
        )
        manifest._code_checksum.cache_clear()
        coverage = Coverage(trained, SHIPPED)
        found = [one for name in studies(trained) for one in coverage.shipped(name).values()]
        return {one.run.method for one in found if one.other_code}, any(one.other_data_code for one in found)

    collect_all(trained)
    monkeypatch.setattr(manifest, "_source_checksum", checksum)
    manifest._code_checksum.cache_clear()
    ship(trained)
    assert changed("methods/architectures/structured.py") == ({"structured"}, False)
    assert changed("training/loop.py") == ({"independent", "structured"}, False)
    assert changed("data/union.py") == (set(), True)
    assert changed("paper/tables/__init__.py") == (set(), False)
    manifest._code_checksum.cache_clear()


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["tables", "figures"], True),
        (["data", "paper", "arxiv", "claims"], True),
        (["results/tiny/tables/table1_data.csv", "results/tiny/claims.csv"], True),
        (["./results/tiny/paper/paper.pdf"], True),
        ([], False),
        (["all"], False),
        (["tables", "runs"], False),
        (["ship"], False),
        (["verify"], False),
        (["results/tiny/runs/hard/level-all/split-42/seed-1/record.json"], False),
        (["results/other/tables/table1_data.csv"], False),
    ],
)
def test_only_targets_that_rebuild_make_do_with_stale_records(targets, expected):
    assert rebuilds(targets, "results/tiny") is expected


def test_a_damaged_manifest_ends_in_one_line_that_names_it(shipped):
    path = SHIPPED / NAME
    text = path.read_text()
    for broken, message in (
        (text[:-20], "not a manifest of shipped records"),
        ("[]", "not a manifest of shipped records"),
        (
            text.replace('"specification"', '"specifications"'),
            "not a manifest of shipped records",
        ),
        (text.replace('"format": 1', '"format": 99'), "its format is 99"),
        (
            text.replace('"study": "tiny"', '"study": "other"'),
            "the records of the study 'other' and not of 'tiny'",
        ),
    ):
        path.write_text(broken)
        with pytest.raises(UserError, match=message) as mistake:
            Coverage(shipped, SHIPPED)
        assert str(mistake.value).startswith("records/tiny/manifest.json: ")
    path.unlink()
    with pytest.raises(UserError, match="this manifest of shipped records is missing"):
        Coverage(shipped, SHIPPED)


def test_the_manifest_speaks_of_every_file_and_every_run(shipped):
    manifest = Manifest.read(SHIPPED)
    for name, of in manifest.files.items():
        content = (SHIPPED / name).read_bytes()
        assert of == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    assert {(e.control, e.key[1]) for e in manifest.entries} == {
        (name, run.folder) for name, one in studies(shipped).items() for run in one.runs()
    }
    assert manifest.made_with == ({"git_commit": "0" * 40, "versions": {"python": "3", "numpy": "2"}},)
    assert manifest.data[""]["raw"] == {"raw.csv": hashlib.sha256(Path("raw.csv").read_bytes()).hexdigest()}


# ---------------------------------------------------------------- verifying


def verified(study, size=4, change=None):
    """Verify a sample whose runs are trained anew to what they were, or to what ``change`` makes of their records."""
    drawn = Coverage(study, SHIPPED).sample(size, seed=1)
    inputs = {"manifest": SHIPPED / NAME}
    for control, run in drawn:
        one = studies(study)[control]
        folder = Path(one.root, "runs", run.folder)
        shutil.rmtree(folder, ignore_errors=True)
        write_run(one, run, Path(one.data_root, "data/features.parquet"))
        if change:
            record = json.loads((folder / "record.json").read_text())
            change(record)
            (folder / "record.json").write_text(json.dumps(record))
            seal(folder)
        inputs[f"{prefix(control)}{run.folder}"] = folder / "record.json"
    metrics = {name: {t.name: one.evaluation[t.kind][0] for t in one.tasks} for name, one in studies(study).items()}
    spec = {
        "folder": str(SHIPPED),
        "runs": [[control, r.method, r.level, r.split_seed, r.seed] for control, r in drawn],
        "metrics": metrics,
    }
    verify.step(spec, inputs, {"report": Path("verify.csv")})
    return pd.read_csv("verify.csv", keep_default_na=False)


def moved(by):
    def change(record):
        record["predictions_sha256"] = "other"
        for partitions in record["metrics"].values():
            for values in partitions.values():
                values.update({name: value + by for name, value in values.items()})

    return change


def test_runs_that_end_as_they_did_are_identical(shipped, caplog):
    report = verified(shipped)
    assert len(report) == 4 * 2
    assert set(report["verdict"]) == {"identical"}
    assert set(report["code"]) == set(report["data"]) == {"same"}
    with caplog.at_level("INFO", logger="alloymtl"):
        verify.verdict({}, {"report": Path("verify.csv")}, {})
    assert [line.endswith(": identical") for line in caplog.messages] == [True] * 4


def test_runs_within_the_spread_of_seeds_agree_and_others_differ_after_the_report(
    shipped,
):
    report = verified(shipped, change=moved(1e-3))
    assert set(report["verdict"]) == {"agrees"}
    assert set(report["predictions"]) == set(report["metrics"]) == {"other"}
    verify.verdict({}, {"report": Path("verify.csv")}, {})
    report = verified(shipped, change=moved(10.0))
    assert set(report["verdict"]) == {"differs"}
    assert (report["distance"] > verify.TOLERANCE).all()
    with pytest.raises(UserError, match=r"verify\.csv: 4 of 4 runs differ from their records"):
        verify.verdict({}, {"report": Path("verify.csv")}, {})


METHODS = {
    "wide": (0.0, 2.0, 4.0),
    "usual": (0.0, 1.0, 2.0),
    "constant": (1.0, 1.0, 1.0),
}


def test_the_spread_is_that_of_the_methods_seeds_and_no_less_than_that_of_most_methods():
    rows = [(m, "all", s, "t", "test", "r2", v[s]) for m, v in METHODS.items() for s in range(3)]
    metrics = pd.DataFrame(
        rows,
        columns=["method", "level", "seed", "task", "partition", "metric", "value"],
    )
    assert verify.spread(metrics, "wide", "all", "t", "r2") == pytest.approx(2.0)
    assert verify.spread(metrics, "usual", "all", "t", "r2") == pytest.approx(1.0)
    assert verify.spread(metrics, "constant", "all", "t", "r2") == pytest.approx(1.0)
    assert verify.distance(3.0, 1.0) == pytest.approx(3.0 / 2**0.5)
    assert verify.distance(0.0, 0.0) == 0.0
    assert verify.distance(-1e-9, 0.0) == np.inf


def test_the_sample_is_drawn_from_the_study_and_its_controls_by_its_seed(shipped):
    coverage = Coverage(shipped, SHIPPED)
    everything = {(name, run.folder) for name, one in studies(shipped).items() for run in one.runs()}

    def drawn(size, seed):
        return [(control, run.folder) for control, run in coverage.sample(size, seed)]

    assert set(drawn(100, 1)) == everything
    assert drawn(3, 1) == drawn(100, 1)[:3]
    assert len({tuple(drawn(3, seed)) for seed in range(20)}) > 10
    assert {control for seed in range(20) for control, _ in drawn(3, seed)} == {
        "",
        "grouped",
    }


def test_there_is_nothing_to_verify_without_records(tmp_path):
    with pytest.raises(UserError, match="there is no shipped record of a run of this study"):
        verify.step(
            {"folder": "records/tiny", "runs": [], "metrics": {}},
            {},
            {"report": tmp_path / "verify.csv"},
        )


# ---------------------------------------------------------------- the workflow

REBUILT = ("tables", "figures")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small study with a control, trained, and its records made."""
    folder = lay_out(tmp_path_factory.mktemp("built"))
    result = snakemake(folder, *REBUILT, "ship")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def clone(built, tmp_path):
    """The project's files and the records, in a folder without results."""
    folder = lay_out(tmp_path)
    shutil.copytree(built / "results/small/records", folder / "records/small")
    return folder


def without_torch(folder):
    """Let every step of a project fail that imports torch: its package folder comes first on a step's path."""
    stub = folder / "workflow" / "torch" / "__init__.py"
    stub.parent.mkdir()
    stub.write_text("raise ImportError('torch')")


def contents(folder):
    """What tables and figures show, by file."""
    root = folder / "results/small"
    return {str(f.relative_to(root)): f.read_bytes() for name in REBUILT for f in (root / name).glob("*.csv")}


def test_a_fresh_clone_makes_tables_and_figures_from_records_without_training_or_torch(built, clone):
    without_torch(clone)
    assert not [rule for rule in planned(clone, "all") if rule.startswith("train")]
    result = snakemake(clone, *REBUILT, cores=1)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in result.stdout + result.stderr
    assert not (clone / "results/small/runs").exists()
    assert contents(clone) == contents(built)
    for name in TABLES:
        for root in ("", "controls/grouped/"):
            table = f"results/small/{root}{name}.parquet"
            assert (clone / table).read_bytes() == (built / table).read_bytes(), table
    assert planned(clone, *REBUILT) == {}


def test_stale_records_still_make_tables_and_say_so_and_all_retrains_what_has_changed(built, clone):
    without_torch(clone)
    append(clone / "workflow/alloymtl/methods/architectures/structured.py")
    metrics = "results/small/metrics.parquet"
    result = snakemake(clone, "tables")
    text = result.stdout + result.stderr
    assert result.returncode == 0, text
    assert text.count("warning: records/small: the code behind structured has changed") == 1
    assert contents(clone) == {k: v for k, v in contents(built).items() if k.startswith("tables")}
    # As a cluster's node is told to collect.
    (clone / metrics).unlink()
    job = ("--target-jobs", "collect:", "--allowed-rules", "collect", "--force", "--nolock", "--mode", "remote")
    result = snakemake(clone, *job)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (clone / metrics).read_bytes() == (built / metrics).read_bytes()
    trained = {rule: n for rule, n in planned(clone, "all").items() if rule.startswith("train")}
    assert trained == {"train_structured": 3, "train_structured_in_grouped": 2}


def test_records_that_were_tampered_with_stop_the_build_in_one_line(clone):
    with open(clone / "records/small/histories.parquet", "ab") as stream:
        stream.write(b"x")
    text = said(snakemake(clone, "results/small/metrics.parquet"))
    last = [line for line in text.splitlines() if line.startswith("error: ")][-1]
    assert last.startswith("error: records/small/histories.parquet: it is not the file that")
    assert "git checkout -- records/small" in last


def test_verify_finds_on_the_same_machine_what_was_shipped(clone):
    result = snakemake(clone, "verify")
    text = result.stdout + result.stderr
    assert result.returncode == 0, text
    report = pd.read_csv(clone / "results/small/verify.csv")
    assert len(report) == 3 * 3
    assert set(report["verdict"]) == {"identical"}
    assert text.count(": identical\n") == 3
    assert not (clone / "results/small/runs").exists()
