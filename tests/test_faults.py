"""What breaks while a study is built, here and on a real Slurm: no finished run is lost, no unfinished one believed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fault_world import LOCAL, QUICK, QUICK_RUNS, RUNS, SLURM, STUDY, Project, finish, kill, lay_out, until
from slurm_node import node, said, unusable

BUILDERS = {"local": LOCAL, "slurm": SLURM}
RUN = "structured/level-all/split-42/seed-2"


@pytest.fixture(scope="module")
def slurm():
    """A Slurm of one node, started when the first test asks for it."""
    if reason := unusable():
        pytest.skip(reason)
    with node() as running:
        yield running


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A checkout with data and no run, for copies."""
    project = lay_out(tmp_path_factory.mktemp("prepared"), LOCAL, STUDY)
    status, text = project.build(target="prepare")
    assert status == 0, text
    assert not project.records()
    return project.folder


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory):
    """The results of a build, here, in which nothing happens."""
    project = Project(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("undisturbed") / "project")), LOCAL)
    status, text = project.build()
    assert status == 0, text
    assert not project.leftovers()
    return project.results()


@pytest.fixture(params=BUILDERS)
def project(request, prepared, tmp_path):
    """A project of this test's own, built here and by Slurm."""
    if request.param == "slurm":
        request.getfixturevalue("slurm")
    return Project(Path(shutil.copytree(prepared, tmp_path / "project")), BUILDERS[request.param])


@pytest.fixture
def on_slurm(slurm, prepared, tmp_path):
    """A project of this test's own that only Slurm builds."""
    return Project(Path(shutil.copytree(prepared, tmp_path / "project")), SLURM)


def test_the_matrix_of_the_quick_study_ends_in_the_same_bytes_as_slurm_jobs(slurm, tmp_path):
    here, there = lay_out(tmp_path / "here", LOCAL, QUICK), lay_out(tmp_path / "there", SLURM, QUICK)
    status, text = here.build()
    assert status == 0, text
    status, text = there.build()
    assert status == 0, text
    assert text.count("has been submitted with SLURM jobid") == QUICK_RUNS  # the rest ran beside Snakemake
    assert there.metrics() == here.metrics()


def test_a_failing_run_leaves_the_others_and_is_the_only_one_to_run_again(project, undisturbed):
    (project.folder / "fault").write_text(RUN)
    status, text = project.build(retries=0)
    assert status != 0
    assert set(project.records()) == set(RUNS) - {RUN}
    log = "results/small/logs/train/structured/level-all-split-42-seed-2.log"
    told = [line for line in text.splitlines() if line.startswith("error: structured level-all split-42 seed-2: ")]
    assert len(told) == 1, text
    assert f"(log: {log})" in told[0]
    assert "a fault of this test's" in (project.folder / log).read_text()
    before = project.records()
    (project.folder / "fault").unlink()
    status, text = project.build()
    assert status == 0, text
    assert text.count("rule train_") == 1
    assert {run: record for run, record in project.records().items() if run != RUN} == before
    assert project.results() == undisturbed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to stop"])
def test_a_run_that_is_cut_off_goes_on_in_its_next_try(project, undisturbed, number):
    building = project.start_until(RUN)
    project.quick()
    for pid in project.processes(RUN):
        os.kill(pid, number)
    finish(building, project)
    assert project.results() == undisturbed
    assert project.epochs_resumed(RUN)
    assert not project.leftovers()


def test_after_a_kill_of_snakemake_no_finished_run_is_trained_again(project, undisturbed):
    building = project.start_until(RUN)
    kill(building)  # the runs that it has started know nothing of it
    until(lambda: project.records(), 120, "a run has finished")
    project.quick()
    status, text = project.build()
    assert status != 0
    assert "the last build was killed" in text
    assert "--unlock" in text
    until(lambda: not any(project.processes(run) for run in RUNS), 120, "the runs that were started have ended")
    if project.builder is SLURM:
        until(lambda: not said("squeue", "-h", "-t", "PD,R,CG"), 120, "their jobs have ended")
    finished = project.records()
    assert project.build("--unlock")[0] == 0
    status, text = project.build("--rerun-incomplete")
    assert status == 0, text
    assert {run: record for run, record in project.records().items() if run in finished} == finished
    assert project.results() == undisturbed
    assert not project.leftovers()


def test_two_builds_of_one_study_do_not_meet(project):
    building = project.start_until(RUN)
    status, text = project.build()
    project.quick()
    assert status != 0
    assert f"another Snakemake builds this study (process {building.pid} on " in text
    assert "Directory cannot be locked" in text
    assert "Traceback" not in text
    finish(building, project)


def test_cancelled_and_lost_jobs_are_tried_again_from_their_checkpoints(on_slurm, slurm, undisturbed):
    project = on_slurm
    building = project.start_until(*RUNS, seconds=5.0)
    said("scancel", *slurm.jobs("R")[:1])
    until(lambda: len(slurm.jobs("R")) == len(RUNS) - 1, 60, "a job is cancelled")
    slurm.down()
    project.quick()
    slurm.up()
    finish(building, project)
    assert project.results() == undisturbed
    assert all(project.epochs_resumed(run) for run in RUNS)
    assert not project.leftovers()


def test_a_job_that_reaches_its_time_limit_goes_on_with_a_longer_one(on_slurm, undisturbed):
    project = on_slurm
    project.slow(8.0)  # twelve epochs last longer than the first limit
    profile = project.folder / "slurm/config.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["set-resources"]["train_hard"] = {"runtime": "attempt"}  # minutes
    profile.write_text(yaml.safe_dump(settings))
    building = project.start()
    limited = [run for run in RUNS if run.startswith("hard/")]
    until(lambda: project.said().count("Trying to restart job") >= len(limited), 240, "a new try", building)
    project.quick()
    finish(building, project)
    assert project.results() == undisturbed
    assert all(project.epochs_resumed(run) and project.seconds(run) > 24 for run in limited)


def test_a_job_array_of_shares_trains_every_run_and_goes_on_after_a_kill(on_slurm, slurm, undisturbed):
    project = on_slurm

    def submit(*options):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        words = ["sbatch", "--parsable", "--cpus-per-task=1", *options, "slurm/share.sh", "--configfile", "small.yaml"]
        return subprocess.run(
            words, cwd=project.folder, capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "PATH": path, "ALLOYMTL_CHECKPOINT_SECONDS": "0.5"},
        )  # fmt: skip

    def texts():
        return [path.read_text() for path in sorted(project.folder.glob("share-*.txt"))]

    gaps = submit("--wait", "--array=0,2", "--output=gaps-%a.txt")
    assert gaps.returncode != 0
    assert "error: --array has gaps" in (project.folder / "gaps-0.txt").read_text()
    project.slow()
    first = submit("--array=3-5", "--output=share-%a.txt").stdout.strip()

    def begun():
        # A record alone does not count as a finished run before its Snakemake has seen the process end: until then a
        # kill takes it back. Of three shares one has seen it once a fourth run is begun.
        middle = sum(map(project.in_the_middle, RUNS))
        return middle and middle + len(project.records()) > 3

    until(begun, 240, "a share is in its second run")
    said("scancel", "--full", "--signal=KILL", first)
    until(lambda: not slurm.jobs("PD,R,CG"), 60, "the shares are gone")
    finished = project.records()
    assert 0 < len(finished) < len(RUNS), texts()
    project.quick()
    again = submit("--wait", "--array=3-5", "--output=share-%a.txt")
    assert again.returncode == 0, texts()
    status, text = project.build()
    assert status == 0, text
    assert "rule train_" not in text
    assert {run: record for run, record in project.records().items() if run in finished} == finished
    assert project.results() == undisturbed


def test_a_run_that_wants_a_gpu_is_not_submitted_where_torch_has_none(project):
    torch = pytest.importorskip("torch")
    if torch.version.cuda is not None:
        pytest.skip("this torch can use a GPU")
    config = project.folder / "small.yaml"
    asked = "architecture: hard\n    training: {device: cuda}"
    config.write_text(config.read_text().replace("architecture: hard", asked))
    status, text = project.build()
    assert status != 0
    assert "CUDA" in text
    assert "hard" in text
    assert len([line for line in text.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in text
    assert not project.records()


@pytest.fixture
def disk():
    """Mounts disks of a given size at given places."""
    mounted = []

    def mount(folder, size, *options):
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", folder]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("no small disk can be mounted here: that takes root")
        if not options:
            mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_in_one_line_and_costs_no_finished_run(prepared, undisturbed, disk, tmp_path):
    project = Project(Path(shutil.copytree(prepared, tmp_path / "project")), LOCAL)
    runs = project.folder / "results/small/runs"
    disk(runs, "80k")
    status, text = project.build(retries=0)
    assert status != 0
    finished = project.records()
    assert len(finished) in range(1, len(RUNS))
    told = [line for line in text.splitlines() if re.match(r"error: \w+ level-all split-42 seed-\d: ", line)]
    assert len(told) == len(RUNS) - len(finished), text
    assert all("the disk is full" in line and "Mend: make room" in line for line in told)
    assert "Traceback" not in text
    assert not list(runs.rglob(".*.tmp"))
    disk(runs, "8m", "remount")
    status, text = project.build()
    assert status == 0, text
    assert {run: record for run, record in project.records().items() if run in finished} == finished
    assert project.results() == undisturbed
    assert not project.leftovers()


def test_a_full_disk_leaves_the_old_record_as_it_was(prepared, disk, tmp_path):
    project = Project(Path(shutil.copytree(prepared, tmp_path / "project")), LOCAL)
    status, text = project.build("--until", "train_structured")
    assert status == 0, text
    folder = tmp_path / "full"
    disk(folder, "256k")
    shutil.copytree(project.run(RUN), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    record = json.loads((folder / "record.json").read_text())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with open(folder / "ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    data = project.folder / "results/small/data"
    words = [sys.executable, "-m", "alloymtl", "train", "--spec", json.dumps({**record["specification"], "seed": 3})]
    words += ["--in", f"features={data}/features.parquet", f"split={data}/split/42.parquet", "--out"]
    words += [f"{name.partition('.')[0]}={folder / name}" for name in before]
    path = {**os.environ, "PYTHONPATH": str(project.folder / "workflow")}
    ended = subprocess.run(words, env=path, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: {folder}/history.parquet: this file could not be written")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} == before
    assert not list(folder.glob(".*.tmp"))
