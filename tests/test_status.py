"""How a study stands is told by its files alone: what is done, what runs, what ended and why, and what is to come."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import yaml

from alloymtl import cli
from alloymtl.evaluation.coverage import Coverage
from alloymtl.files import write_json
from alloymtl.progress import failures, runs
from alloymtl.progress.forecast import forecast
from alloymtl.progress.reporter import Progress
from alloymtl.progress.run_log import ENDED_WELL, ending
from alloymtl.progress.runs import DONE, FAILED, RUNNING, SHIPPED, STOPPED, WAITING, RunState, Survey
from alloymtl.progress.slurm_logs import FOLDER, fate
from alloymtl.progress.view import lines
from alloymtl.study import Study

NOW = time.time()
HOUR = 3600.0
SOURCE = {"path": "a.csv", "label": "value", "composition": {"basis": "at.%"}}
CONFIG = {
    "study": "mine",
    "tasks": {"a": {"kind": "regression", "unit": "GPa", "sources": [SOURCE]}},
    "methods": {"alone": {"architecture": "independent"}, "together": {"architecture": "hard"}},
    "experiments": {"main": {"methods": ["alone", "together"], "comparisons": [], "seeds": [1, 2], "levels": [100]}},
    "split_seeds": [7],
    "controls": {"grouped": {"split": {"kind": "grouped"}}},
}
ERROR = "2026-11-22 10:00:00,000 INFO epoch 3/9\n2026-11-22 10:00:01,000 ERROR error: {} (log: some.log)\n"
ASKED = "alone, seed 1: stopped by SIGTERM after epoch 3. Mend: start again; it goes on there."
CANCELLED = "slurmstepd: error: *** JOB 12 ON node1 CANCELLED AT 2026-11-22T10:00:00{} ***\n"
JOB = "rule train_alone:\n    output: some/record.json\n    log: {}\n    jobid: 0\n"


class Disk:
    """A study's files, written with the age that they are to have."""

    def __init__(self, root="results/mine"):
        self.root = root

    def folder(self, method="alone", seed=1):
        return Path(self.root, "runs", method, "level-100", "split-7", f"seed-{seed}")

    def log_path(self, method="alone", seed=1):
        control = self.root.removeprefix("results/mine").removeprefix("/")
        logs = Path("results/mine/logs", control, "train")
        return logs / method / f"level-100-split-7-seed-{seed}.log"

    def write(self, path, text, age):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (NOW - age, NOW - age))

    def record(self, method="alone", seed=1, seconds=100.0):
        write_json(self.folder(method, seed) / "record.json", {"epochs": {"a": 3}, "seconds": seconds, "inputs": {}})

    def progress(self, age, method="alone", seed=1, epoch=3, elapsed=30.0, left=60.0, loss=0.5):
        progress = Progress(f"{method} seed-{seed}", 9, epoch, {"validation loss": loss}, {}, elapsed, left, elapsed)
        self.write(self.folder(method, seed) / "progress.json", json.dumps(vars(progress)), age)

    def checkpoint(self, age, **run):
        self.write(self.folder(**run) / "a.checkpoint.npz", "", age)

    def log(self, age, text="2026-11-22 10:00:00,000 INFO epoch 3/9\n", **run):
        self.write(self.log_path(**run), text, age)

    def slurm(self, age, text, path="rule_train_alone/100_7_1/12.log"):
        self.write(FOLDER / path, text, age)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "NOW", time.time())  # the command looks at the clock of its own time
    Path("mine.yaml").write_text(yaml.safe_dump(CONFIG))
    return Disk()


@pytest.fixture(scope="module")
def study():
    return Study.from_config(CONFIG, "mine.yaml")


def look(study, **options):
    """The states by control, method and seed."""
    return {(r.control, r.method, r.seed): r for r in Survey(study, **options).look(NOW)}


def first(study, **options):
    return look(study, **options)["", "alone", 1]


def test_a_run_with_a_record_is_done_and_one_without_a_trace_waits(study, disk):
    disk.record(seconds=12.5)
    Disk("results/mine/controls/grouped").record(method="together", seed=2, seconds=7.0)
    found = look(study)
    assert len(found) == 8
    done = {key: run.seconds for key, run in found.items() if run.state == DONE}
    assert done == {("", "alone", 1): 12.5, ("grouped", "together", 2): 7.0}
    assert {run.state for key, run in found.items() if key not in done} == {WAITING}


def test_a_run_that_is_made_anew_is_no_longer_done(study, disk):
    disk.record()
    survey = Survey(study)
    assert survey.look(NOW)[0].state == DONE
    (disk.folder() / "record.json").unlink()
    assert survey.look(NOW)[0].state == WAITING


class TestRunning:
    def test_it_tells_its_epoch_and_how_long_it_has_been_at_it(self, study, disk):
        disk.progress(age=20, elapsed=30.0)
        run = first(study)
        assert (run.state, run.progress.epoch) == (RUNNING, 3)
        assert run.seconds == pytest.approx(50.0)

    @pytest.mark.parametrize(("age", "epoch_seconds", "state"), [(200, 1, STOPPED), (200, 60, RUNNING)])
    def test_silence_is_measured_in_epochs(self, study, disk, age, epoch_seconds, state):
        disk.progress(age=age, epoch=3, elapsed=3 * epoch_seconds, left=6 * epoch_seconds)
        assert first(study).state == state

    def test_a_clock_that_is_ahead_does_no_harm(self, study, disk):
        disk.progress(age=-30, elapsed=30.0)
        assert (first(study).state, first(study).seconds) == (RUNNING, 30.0)

    def test_it_is_starting_while_it_has_a_fresh_log_and_no_epoch(self, study, disk):
        disk.log(age=20, text="")
        assert first(study).state == RUNNING

    def test_a_new_attempt_counts_and_not_the_error_of_the_last(self, study, disk):
        disk.log(age=HOUR, text=ERROR.format("wrong."))
        disk.slurm(age=5, text="Building DAG of jobs...\n")
        assert first(study).state == RUNNING

    def test_nothing_runs_once_the_build_is_over(self, study, disk):
        disk.progress(age=1)
        assert first(study, over=True).state == STOPPED


class TestEnded:
    def test_an_error_is_the_reason_and_the_log_is_named(self, study, disk):
        disk.log(age=5, text=ERROR.format("a.csv: wrong. Mend: mend it."))
        run = first(study)
        assert (run.state, run.reason, run.log) == (FAILED, "a.csv: wrong. Mend: mend it.", str(disk.log_path()))

    def test_a_control_has_logs_of_its_own(self, study, disk):
        Disk("results/mine/controls/grouped").log(age=5, text=ERROR.format("wrong."))
        assert {key for key, run in look(study).items() if run.state == FAILED} == {("grouped", "alone", 1)}

    def test_a_run_that_fell_silent_stopped_and_says_whether_it_can_resume(self, study, disk):
        disk.progress(age=HOUR)
        run = first(study)
        assert run.state == STOPPED
        assert run.reason.startswith(f"not a word since {runs.stamp(NOW - HOUR)}: killed, or its node was lost")
        assert "no checkpoint" in run.reason
        disk.checkpoint(age=HOUR)
        assert "the next start resumes from its checkpoint" in first(study).reason

    def test_a_checkpoint_alone_is_a_stopped_run(self, study, disk):
        disk.checkpoint(age=HOUR)
        assert first(study).state == STOPPED

    def test_one_that_was_asked_to_stop_did_not_fail(self, study, disk):
        disk.log(age=HOUR, text=ERROR.format(ASKED))
        assert (first(study).state, first(study).reason) == (STOPPED, ASKED)

    def test_a_log_that_ends_in_nothing_is_of_a_killed_run(self, study, disk):
        disk.log(age=HOUR)
        assert first(study).state == STOPPED

    def test_logs_of_results_that_have_been_removed_tell_nothing(self, study, disk):
        disk.log(age=HOUR, text=f"2026-11-22 10:00:00,000 DEBUG {ENDED_WELL}\n")
        disk.slurm(age=HOUR, text=JOB.format(disk.log_path()) + "1 of 1 steps (100%) done\n")
        assert first(study).state == WAITING


class TestSlurm:
    @pytest.mark.parametrize(
        ("said", "what", "fails"),
        [
            (CANCELLED.format(" DUE TO TIME LIMIT"), "reached its time limit", True),
            (CANCELLED.format(" DUE TO PREEMPTION"), "was preempted", False),
            (CANCELLED.format(" DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"), "lost its node", True),
            (CANCELLED.format(" DUE TO JOB REQUEUE"), "was put back", False),
            (CANCELLED.format(""), "was cancelled", False),
            ("slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch. Some of the step tasks", "memory", True),
            ("slurmstepd: error: Detected 1 oom-kill event(s) in step 12.0 cgroup.", "ran out of memory", True),
            ("slurmstepd: error: Exceeded job memory limit", "ran out of memory", True),
            ("srun: error: node1: task 0: Out Of Memory\n" + CANCELLED.format(""), "ran out of memory", True),
        ],
    )
    def test_its_words_become_plain_ones(self, said, what, fails):
        found = fate(f"Building DAG of jobs...\n{said}\n")
        assert what in found.what
        assert found.is_failure == fails

    @pytest.mark.parametrize(
        "text",
        [
            "srun: cluster configuration lacks support for cpu binding\n",
            "error: a.csv: Out Of Memory is no number.\n",
            CANCELLED.format(" DUE TO JOB REQUEUE") + JOB.format("x.log"),
        ],
    )
    def test_other_words_are_no_end(self, text):
        assert fate(text) is None

    def test_a_killed_run_says_why_how_it_goes_on_and_what_to_do(self, study, disk):
        disk.log(age=60)
        disk.checkpoint(age=60)
        disk.slurm(age=50, text=CANCELLED.format(" DUE TO TIME LIMIT"))
        run = first(study)
        assert run.state == FAILED
        assert run.reason == (
            "reached its time limit; the next start resumes from its checkpoint; raise `runtime` in slurm/config.yaml"
        )
        assert run.log == str(FOLDER / "rule_train_alone/100_7_1/12.log")

    def test_it_knows_why_a_run_was_asked_to_stop(self, study, disk):
        disk.log(age=50, text=ERROR.format(ASKED))
        disk.slurm(age=52, text=CANCELLED.format(" DUE TO TIME LIMIT"))
        assert first(study).state == FAILED
        assert first(study).reason.startswith("reached its time limit")

    def test_the_last_attempt_counts(self, study, disk):
        disk.slurm(age=2 * HOUR, text=CANCELLED.format(" DUE TO TIME LIMIT"), path="rule_train_alone/100_7_1/9.log")
        disk.slurm(age=HOUR, text="", path="rule_train_alone/100_7_1/12.log")
        disk.log(age=HOUR, text=ERROR.format("wrong."))
        assert first(study).reason == "wrong."
        disk.slurm(age=60, text=CANCELLED.format(" DUE TO PREEMPTION"), path="rule_train_alone/100_7_1/13.log")
        assert first(study).state == STOPPED

    def test_a_task_of_an_array_quotes_the_first_and_then_itself(self, study, disk):
        quoted = [JOB.format(disk.log_path(seed=seed)) for seed in (1, 2)]
        for seed in (1, 2):
            disk.checkpoint(age=HOUR, seed=seed)
        disk.slurm(
            age=HOUR, text="".join(quoted) + CANCELLED.format(" DUE TO TIME LIMIT"), path="rule_train_alone/4_2.log"
        )
        disk.slurm(age=HOUR, text=quoted[0] + CANCELLED.format(""), path="rule_train_alone/4_3.log")
        found = look(study)
        assert found["", "alone", 2].state == FAILED
        assert found["", "alone", 1].reason.startswith("not a word since")

    def test_a_group_quotes_its_members(self, study, disk):
        disk.record(seed=1)
        disk.checkpoint(age=60, seed=2)
        quoted = "".join(JOB.format(disk.log_path(seed=seed)) for seed in (1, 2))
        disk.slurm(age=50, text=quoted + CANCELLED.format(" DUE TO TIME LIMIT"), path="group_runs/3.log")
        found = look(study)
        assert [found["", "alone", seed].state for seed in (1, 2)] == [DONE, FAILED]

    def test_the_end_of_one_member_of_a_group_is_not_that_of_the_next(self, study, disk):
        first_is_done = JOB.format(disk.log_path(seed=1)) + "1 of 1 steps (100%) done\n1 of 2 steps (50%) done\n"
        disk.slurm(age=5, text=first_is_done + JOB.format(disk.log_path(seed=2)), path="group_runs/3.log")
        assert look(study)["", "alone", 2].state == RUNNING

    def test_the_rule_of_a_control_has_its_name(self, study, disk):
        Disk("results/mine/controls/grouped").checkpoint(age=60)
        disk.slurm(age=50, text=CANCELLED.format(""), path="rule_train_alone_in_grouped/100_7_1/5.log")
        assert look(study)["grouped", "alone", 1].reason.startswith("was cancelled")

    def test_a_job_that_ends_before_training_begins_is_a_failure(self, study, disk):
        disk.slurm(age=HOUR, text="bash: python: command not found\n")
        assert first(study).state == FAILED
        assert "before training began" in first(study).reason


def a_run(state, seconds=None, level=100, method="m", control="", left=None):
    progress = None if left is None else Progress("m", 10, 5, {}, {}, seconds, left, seconds)
    return RunState(control, method, level, 7, 1, state, seconds=seconds, progress=progress)


class TestForecast:
    def test_runs_to_come_last_as_long_as_their_like(self):
        done = [a_run(DONE, 100.0), a_run(DONE, 200.0), a_run(DONE, 1000.0, level="all")]
        found = forecast([*done, a_run(WAITING), a_run(FAILED, level="all"), a_run(RUNNING, 50.0)])
        assert found.spent == 1350.0
        assert found.expected == pytest.approx(1350.0 + 150.0 + 1000.0 + 100.0)
        assert found.left == pytest.approx(1250.0)

    def test_without_their_like_they_last_as_long_as_their_method_or_all_of_them(self):
        done = [a_run(DONE, 100.0), a_run(DONE, 500.0, method="n")]
        assert forecast([*done, a_run(WAITING, level=5)]).expected == pytest.approx(700.0)
        assert forecast([*done, a_run(WAITING, method="o")]).expected == pytest.approx(900.0)

    def test_the_longest_run_is_waited_for(self):
        found = forecast([a_run(DONE, 100.0), a_run(RUNNING, 0.0), a_run(RUNNING, 100.0)])
        assert found.left == pytest.approx(100.0)

    def test_before_any_has_finished_the_running_ones_tell(self):
        found = forecast([a_run(RUNNING, 10.0, left=30.0), a_run(WAITING)])
        assert found.left == pytest.approx(70.0)
        assert found.basis.startswith("at most")

    def test_it_does_not_guess(self):
        nothing = forecast([a_run(RUNNING), a_run(WAITING)])
        assert (nothing.expected, nothing.left) == (None, None)
        assert forecast([a_run(DONE, 1.0), a_run(WAITING)]).left is None


class TestFailures:
    def test_each_run_of_this_build_that_failed_is_named_once(self, study, disk):
        disk.record(method="together", seed=2)
        disk.log(age=5, text=ERROR.format("wrong."), method="together", seed=2)  # until it was tried again
        disk.log(age=HOUR, text=ERROR.format("before."), method="together")
        disk.log(age=5, text=ERROR.format("wrong."))
        disk.log(age=5, seed=2)
        disk.write(Path("results/mine/logs/collect.log"), ERROR.format("no runs."), age=1)
        failed, killed, other = failures.report(study, NOW - 60)
        assert failed == f"error: alone level-100 split-7 seed-1: wrong. (log: {disk.log_path()})"
        assert killed.startswith("error: alone level-100 split-7 seed-2: not a word since")
        assert other == "error: no runs. (log: some.log)"

    def test_a_job_that_slurm_ended_before_its_log_began_is_of_this_build(self, study, disk):
        disk.log(age=HOUR, text=ERROR.format("before."))
        disk.slurm(age=5, text=CANCELLED.format(" DUE TO NODE FAILURE"))
        (line,) = failures.report(study, NOW - 60)
        assert "seed-1: lost its node" in line

    def test_it_never_hides_the_real_error_behind_its_own(self, study, disk, monkeypatch):
        disk.log(age=5, text=ERROR.format("wrong."))
        monkeypatch.setattr(failures, "failed_runs", lambda *_: 1 / 0)
        warning, error = failures.report(study, NOW - 60)
        assert warning.startswith("warning: the failed runs cannot be listed (ZeroDivisionError")
        assert error == "error: wrong. (log: some.log)"


class TestCommand:
    def status(self, capsys, *words, code=0):
        assert cli.main(["status", "--configfile", "mine.yaml", *words]) == code
        return capsys.readouterr()

    def test_text(self, disk, capsys):
        disk.record(seconds=HOUR)
        disk.progress(age=0, seed=2, elapsed=HOUR / 2)
        disk.log(age=5, method="together", text=ERROR.format("wrong."))
        text = self.status(capsys).out
        head, cost, basis, _, columns, alone, together, *rest = text.splitlines()
        assert head == "study mine (with 1 control study): 8 runs, 1 done, 1 running, 5 waiting, 1 failed"
        assert cost == "time left: about 6.5 h with 1 at once; 1.5 core hours spent, 8 expected in all"
        assert basis.startswith("(by the times of the 1 finished")
        assert columns.split() == ["method", "all", *runs.STATES]
        assert alone.split() == ["alone", "4", "1", "0", "1", "2", "0", "0"]
        assert together.split() == ["together", "4", "0", "0", "0", "3", "0", "1"]
        assert "  alone seed-2: epoch 3/9, validation loss 0.5000, 30 min" in rest
        assert f"  together level-100 split-7 seed-1: wrong. (log: {disk.log_path('together')})" in rest

    def test_json_holds_the_same_and_no_number_that_json_lacks(self, disk, capsys):
        disk.record(seconds=HOUR)
        disk.progress(age=0, seed=2, loss=float("nan"))

        def refuse(constant):
            raise AssertionError(constant)

        found = json.loads(self.status(capsys, "--json").out, parse_constant=refuse)
        assert found["runs"] == {**dict.fromkeys(runs.STATES, 0), "all": 8, DONE: 1, RUNNING: 1, WAITING: 6}
        assert found["methods"]["alone"][DONE] == 1
        assert found["running"][0]["progress"]["values"] == {"validation loss": None}
        assert found["core_hours"]["spent"] == pytest.approx(1.0, abs=0.05)

    def test_watching_ends_when_all_is_done(self, study, disk, capsys):
        for place in (disk, Disk("results/mine/controls/grouped")):
            for method in ("alone", "together"):
                for seed in (1, 2):
                    place.record(method, seed, seconds=900.0)
        text = self.status(capsys, "--watch").out
        assert "8 runs, 8 done\nall is done; 2 core hours spent here" in text

    def test_long_lists_are_cut_and_counted(self, disk, capsys):
        for seed in (1, 2):
            disk.log(age=5, seed=seed, text=ERROR.format("wrong."))
        from alloymtl.progress.status import Watcher

        status = Watcher(Study.from_config(CONFIG), Path("records/mine"), FOLDER, "").look()
        assert lines(status, 1)[-1] == "  and 1 more (--all lists them)"
        assert len(lines(status, None)) == len(lines(status, 1))

    def test_a_study_that_was_never_started(self, disk, capsys):
        said = self.status(capsys, code=1).err
        assert said.startswith("error: results/mine: nothing of the study 'mine' has been built in this folder. Mend: ")
        assert said.count("\n") == 1

    def test_a_config_that_is_not_there(self, capsys):
        assert cli.main(["status", "--configfile", "nowhere.yaml"]) == 1
        assert capsys.readouterr().err == "error: nowhere.yaml: this config does not exist. Mend: correct the path.\n"


def test_shipped_records_stand_for_runs_that_are_not_here(study, disk, monkeypatch):
    from alloymtl.progress import status

    class Record:
        def __init__(self, stale):
            self.stale = stale

    class Made(Coverage):
        def __init__(self, study, folder):
            self.studies = {"": study, **study.controls}

        def shipped(self, control):
            folders = [run.folder for run in self.studies[control].runs()]
            return {folder: Record(stale=bool(control)) for folder in folders}

    monkeypatch.setattr(status, "Coverage", Made)
    disk.record(method="together")
    disk.progress(age=1)
    now = status.Watcher(study, Path("records/mine"), FOLDER, "").look()
    assert [(r.control, r.method, r.seed) for r in now.of(SHIPPED)] == [("", "alone", 2), ("", "together", 2)]
    assert (len(now.of(DONE)), len(now.of(RUNNING)), len(now.of(WAITING))) == (1, 1, 4)
    assert now.notes == [
        "records/mine holds 4 runs made by other code: `tables` uses them as they are, `all` trains them anew."
    ]


def test_checkpoints_are_known_by_the_name_that_training_gives_them():
    from alloymtl.training import job

    assert runs.CHECKPOINT == job.CHECKPOINT


def test_a_step_that_ended_well_says_so_in_its_log_and_one_that_failed_does_not(disk):
    for name, spec, well in (("good", "{}", True), ("bad", "no JSON", False)):
        cli.main(["describe", "--spec", spec, "--out", f"study={name}.json", "--log", f"{name}.log"])
        assert ending(f"{name}.log").ended_well == well
