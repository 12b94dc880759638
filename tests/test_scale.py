"""What a study's size must not cost: a job's own process does not plan the study again, and a run has few inputs."""

import re
from pathlib import Path

import pytest

from test_workflow import append, configure, lay_out, snakemake, with_file

RUN = "train_structured:level=all,split_seed=42,seed=1"
RECORD = "results/small/runs/structured/level-all/split-42/seed-1/record.json"
CODE = "results/small/code/structured.txt"
SOURCE = "workflow/alloymtl/methods/architectures/structured.py"


def as_job(folder, target):
    """The start of a job as an executor makes it on a cluster's node; the job is planned there and not run."""
    rule = target.partition(":")[0]
    given = ("--target-jobs", target, "--allowed-rules", rule, "--mode", "remote", "--force", "--nolock")
    return snakemake(folder, *given, "--ignore-incomplete", "-n", "-p")


def planning(folder, *targets):
    """A dry run of the study."""
    return snakemake(folder, "-n", "-p", "--", *targets)


def told(result, rule):
    """What a dry run says of a job: its files and resources, and its command with all parameters; not why it runs."""
    text = result.stdout + result.stderr
    assert result.returncode == 0, text
    (job,) = re.findall(rf"^(?:local)?rule {rule}:\n(.*?)\n(?:\n|\[|Job stats:)", text, flags=re.M | re.S)
    assert "Shell command: " in job
    return [line for line in job.splitlines() if not line.strip().startswith(("jobid:", "reason:"))]


def inputs(job):
    """The input files in what is told of a job."""
    return next(line for line in job if line.strip().startswith("input:")).partition(": ")[2].split(", ")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """What the process of a run makes of it in a small study of which nothing is built."""
    return told(as_job(lay_out(tmp_path_factory.mktemp("sound")), RUN), "train_structured")


@pytest.fixture
def project(tmp_path):
    """That study."""
    return lay_out(tmp_path)


def damage_records(project):
    manifest = project / "records" / "small" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{")


def miss_a_raw_file(project):
    configure(project, tasks=with_file("resistivity", "measured/resistivity.csv"))


def let_no_runs_be_listed(project):
    append(project / "workflow/alloymtl/experiment.py", "\nExperiment.cells = None\n")


def let_no_code_be_read(project):
    append(project / "workflow/alloymtl/sources.py", "\nast = None\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage_records, "records/small/manifest.json: not a manifest of shipped records"),
        (miss_a_raw_file, "measured/resistivity.csv: this raw file does not exist"),
        (let_no_runs_be_listed, "'NoneType' object is not callable"),
        (let_no_code_be_read, "'NoneType' object has no attribute 'walk'"),
    ],
)
def test_the_process_of_a_run_leaves_alone_what_whoever_plans_the_study_looks_at(project, sound, change, message):
    change(project)
    plan = planning(project, "runs")
    assert plan.returncode != 0
    assert message in plan.stdout + plan.stderr
    assert told(as_job(project, RUN), "train_structured") == sound


@pytest.mark.parametrize(
    ("target", "file"),
    [(RUN, RECORD), ("collect:", "results/small/metrics.parquet"), ("code:method=structured", CODE)],
)
def test_a_jobs_own_process_makes_of_it_what_was_planned(project, target, file):
    rule = target.partition(":")[0]
    assert told(as_job(project, target), rule) == told(planning(project, file), rule)


def test_a_run_has_one_input_for_all_its_code_and_that_is_made_of_no_other_methods(project):
    plan = planning(project, RECORD)
    of_run = [Path(file).name for file in inputs(told(plan, "train_structured"))]
    assert of_run == ["features.parquet", "42.parquet", Path(CODE).name]
    files = inputs(told(plan, "code"))
    assert SOURCE in files
    assert "workflow/alloymtl/methods/architectures/soft.py" not in files


def test_an_edit_is_found_by_runs_though_the_list_of_their_code_was_made_anew_before(project):
    """As after a kill between the two; and to take the edit back is to have changed nothing."""

    def jobs():
        plan = planning(project, RECORD)
        assert plan.returncode == 0, plan.stderr
        return set(re.findall(r"^(?:local)?rule (\w+):", plan.stdout + plan.stderr, flags=re.M))

    def list_code():
        assert snakemake(project, CODE).returncode == 0

    list_code()
    plan = planning(project, RECORD)
    for files in re.findall(r"^    output: (.*)$", plan.stdout + plan.stderr, flags=re.M):
        for file in map(project.joinpath, files.split(", ")):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("made up")
    done = snakemake(project, "--touch", "--forceall", "--", RECORD)
    assert done.returncode == 0, done.stderr
    assert jobs() == set()
    original = (project / SOURCE).read_bytes()
    append(project / SOURCE)
    list_code()
    assert jobs() == {"train_structured"}
    (project / SOURCE).write_bytes(original)
    list_code()
    assert jobs() == set()
