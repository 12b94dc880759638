"""The README's example of a balancer of one's own, taken from its text: both engines train it, as it says."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest
import yaml

import checkout

SECTION = "## Add your own balancer\n"
BLOCK = re.compile(r"`([\w./]+)`[^`]*:\n\n```\w+\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"```sh\n(.*?)\n```", re.DOTALL)
BOTH = ("equal", "clipped", "by_reference")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of the trained study, and its config with the method once more, by the reference engine."""
    text = (checkout.REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    folder = checkout.lay_out(tmp_path_factory.mktemp("mine"))
    files, (command,) = dict(BLOCK.findall(section)), COMMAND.findall(section)
    (config,) = (name for name in files if name.endswith(".yaml"))
    study = yaml.safe_load(files[config])
    study["methods"]["by_reference"] = {**study["methods"]["clipped"], "training": {"engine": "reference"}}
    study["experiments"]["main"]["methods"].append("by_reference")
    files[config] = yaml.safe_dump(study)
    for name, content in files.items():
        assert not (folder / name).exists()
        (folder / name).write_text(content, encoding="utf-8")
    snakemake, *arguments, target = shlex.split(command)
    assert (snakemake, target, len(files)) == ("snakemake", "tables", 2)
    arguments[arguments.index("--cores") + 1] = "2"
    done = checkout.run(folder, *arguments, "runs")  # tables are tested elsewhere and take as long again
    assert done.returncode == 0, done.stderr
    return folder / "results" / study["study"], study


def runs(results, study, method):
    return [results / f"runs/{method}/level-all/split-42/seed-{k}" for k in study["experiments"]["main"]["seeds"]]


def norms(results, study, method):
    """Mean norms of the tasks' gradients, and of what the balancer made of them, by seed, epoch and task."""
    read = {run.name: pd.read_parquet(run / "gradients.parquet") for run in runs(results, study, method)}
    found = pd.concat(read, names=["seed"])
    found = found[found["measure"].isin(["norm", "norm_scaled"])]
    return found.pivot_table("value", ["seed", "epoch", "first"], "measure")


def test_each_run_of_the_example_has_its_record(trained):
    for method, engine in zip(BOTH, ("compiled", "compiled", "reference"), strict=True):
        for run in runs(*trained, method):
            record = yaml.safe_load((run / "record.json").read_text(encoding="utf-8"))
            assert record["specification"]["training"]["engine"] == engine
            balancer = record["specification"]["balancer"]
            assert balancer["name"] == ("none" if method == "equal" else "clipped")
            assert (run / "predictions.parquet").stat().st_size > 0


def test_gradients_are_cut_to_what_the_example_allows(trained):
    longest = trained[1]["methods"]["clipped"]["balancer_options"]["longest"]
    for method in ("clipped", "by_reference"):
        found = norms(*trained, method)
        assert (found["norm_scaled"] <= longest * (1 + 1e-6)).all()
        assert (found["norm_scaled"] <= found["norm"] * (1 + 1e-6)).all()
        assert (found["norm"] > longest).any()
    plain = norms(*trained, "equal")
    assert (plain["norm_scaled"] == plain["norm"]).all()
    assert (plain["norm"] > longest).any()


def test_both_engines_train_the_example_alike(trained):
    for one, other in zip(runs(*trained, "clipped"), runs(*trained, "by_reference"), strict=True):
        losses = [pd.read_parquet(run / "history.parquet").select_dtypes("number").to_numpy() for run in (one, other)]
        np.testing.assert_allclose(*losses, rtol=1e-3, atol=1e-5)
    pd.testing.assert_frame_equal(norms(*trained, "clipped"), norms(*trained, "by_reference"), rtol=1e-3)
