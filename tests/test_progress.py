"""Users see where they are, and nothing that shows it can change or stop a build."""

import json
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from rich.console import Console

from alloymtl.progress import launch
from alloymtl.progress.display import RunningJobs, render, seconds_left
from alloymtl.progress.output import SnakemakeOutput
from alloymtl.progress.reporter import PROCESS_START, Progress, Reporter, read

ROOT = Path(__file__).parents[1]

# Printed by Snakemake 9.27.1 for three jobs of which one fails.
FAILING = """\
Building DAG of jobs...
Job stats:
job      count
-----  -------
bad          1
good         2
all          1
total        4

Select jobs to execute...
Execute 2 jobs...

[Sun Nov 22 05:43:09 2026]
localrule good:
    output: a.txt
    log: logs/a.log
    jobid: 1
    reason: Missing output files: a.txt
    wildcards: x=a
    resources: tmpdir=/tmp
[Sun Nov 22 05:43:09 2026]
rule bad:
    output: b.txt
    log: logs/b.log
    jobid: 2
    reason: Missing output files: b.txt
error: hardness.csv, row 17: the label is not a number.
RuleException:
CalledProcessError in file "/tmp/toy/Snakefile", line 12:
Command 'set -euo pipefail;  echo boo > logs/b.log; exit 3' returned non-zero exit status 3.
[Sun Nov 22 05:43:09 2026]
Error in rule bad:
    message: None
    jobid: 2
    output: b.txt
    log: logs/b.log (check log file(s) for error details)
    shell:
        echo boo > logs/b.log; exit 3
        (command exited with non-zero exit code)
"""
REST = """\
[Sun Nov 22 05:43:10 2026]
Finished jobid: 1 (Rule: good)
1 of 4 steps (25%) done
Exiting because a job execution failed. Look above for error messages
"""


def parsed(text):
    output = SnakemakeOutput()
    for line in text.splitlines(keepends=True):
        output.feed(line)
    return output


def drawn(*arguments, width=140, **options):
    console = Console(record=True, force_terminal=True, width=width, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render(*arguments, **options))
    return console.export_text()


class TestOutput:
    def test_a_build_under_way(self):
        output = parsed(FAILING)
        assert (output.done, output.total) == (0, 4)
        assert output.running == {1: "good"}
        assert output.failed == {2}
        assert output.messages == ["error: hardness.csv, row 17: the label is not a number."]

    def test_an_error_block_names_the_log_and_spares_the_command(self):
        (block,) = parsed(FAILING).errors
        assert block[0] == "Error in rule bad:"
        assert "    log: logs/b.log (check log file(s) for error details)" in block
        assert not any("echo" in line or "shell" in line or "message" in line for line in block)

    def test_jobs_that_end_are_no_longer_running(self):
        output = parsed(FAILING + REST)
        assert (output.done, output.total, output.running) == (1, 4, {})

    def test_a_retry_that_succeeds_is_no_failure(self):
        again = "rule bad:\n    jobid: 2\n[now]\nFinished jobid: 2 (Rule: bad)\n2 of 4 steps (50%) done\n"
        assert parsed(FAILING + again).failed == set()


class TestReporter:
    def report(self, path, epochs, total=200, seconds=1.0):
        """Lines and files of a run of which each epoch takes so long."""
        now = [0.0]
        with Reporter(path, "hard seed-42", total, clock=lambda: now[0]) as reporter:
            for epoch, loss in epochs:
                now[0] += seconds
                reporter.update(epoch, {"validation loss": loss})
                yield read(path)

    def test_the_file_says_what_is_known_and_goes_at_the_end(self, tmp_path):
        path = tmp_path / "run" / "progress.json"
        states = list(self.report(path, [(1, 0.5), (2, 0.3), (3, 0.4)], seconds=2.0))
        assert states[-1].epoch == 3
        assert states[-1].best == {"validation loss": (0.3, 2)}
        assert states[-1].left == pytest.approx(2.0 * 197)
        assert list(path.parent.iterdir()) == []

    def test_a_line_now_and_then_and_not_each_epoch(self, tmp_path, caplog):
        with caplog.at_level(logging.INFO, logger="alloymtl"):
            list(self.report(tmp_path / "p.json", [(e, 1.0 / e) for e in range(1, 41)]))
        assert len(caplog.messages) == 4
        assert caplog.messages[-1] == (
            "hard seed-42: epoch 40/200, validation loss 0.0250 (best 0.0250 at 40), at most about 3 min left"
        )

    def test_a_resumed_run_is_timed_from_where_it_resumed(self, tmp_path):
        (state,) = self.report(tmp_path / "p.json", [(101, 0.5)], seconds=3.0)
        assert state.left == pytest.approx(3.0 * 99)

    def test_a_folder_that_cannot_be_written_stops_nothing(self, tmp_path):
        (tmp_path / "file").write_text("")
        states = list(self.report(tmp_path / "file" / "progress.json", [(1, 0.5), (2, float("nan"))]))
        assert states == [None, None]

    def test_a_diverged_loss_is_shown(self, tmp_path):
        state = list(self.report(tmp_path / "p.json", [(1, 0.5), (2, float("nan"))], seconds=5.0))[-1]
        assert state.losses() == "validation loss nan (best 0.5000 at 1)"


class TestDisplay:
    jobs = (
        Progress("hard level-all split-42 seed-1", 200, 40, {"validation loss": 0.3121}),
        Progress("hard level-all split-42 seed-2", 200, 160, {"validation loss": 0.2}),
    )

    def test_a_bar_for_the_build_and_one_for_each_job(self):
        text = drawn("default", parsed(FAILING + REST), self.jobs, 60.0)
        build, first, second, failed = text.splitlines()
        assert re.search(r"default .*━.* 1 of 4 jobs, 60 s, about 60 s left", build)
        assert re.search(r"seed-1 .*━.* epoch 40 of 200, validation loss 0.3121", first)
        assert re.search(r"seed-2 .*━.* epoch 160 of 200, validation loss 0.2000", second)
        assert failed.startswith("failed: 1")

    def test_running_jobs_count_by_their_share(self):
        output = parsed("total  4\n")
        assert seconds_left(output, (), 60.0) is None
        assert seconds_left(output, self.jobs, 60.0) == pytest.approx(60.0 / (0.2 + 0.8) * 3)

    def test_more_jobs_than_lines_are_counted(self):
        text = drawn("default", parsed("total  99\n"), [Progress(f"run {i}", 10) for i in range(50)], 1.0, height=16)
        assert len(text.splitlines()) <= 16 - 2
        assert "and 41 more training jobs" in text

    def test_markup_in_a_name_is_text(self):
        assert "[red]" in drawn("[red]", parsed(""), [], 1.0)

    def test_only_jobs_of_this_build_that_still_write(self, tmp_path):
        now = time.time()
        for name, age in {"old": 1000, "killed": 200, "alive": 1}.items():
            folder = tmp_path / "hard" / name
            folder.mkdir(parents=True)
            path = folder / "progress.json"
            path.write_text(json.dumps({"name": name, "total_epochs": 5, "best": {}}))
            os.utime(path, (now - age, now - age))
        (tmp_path / "progress.json").write_text("half a fi")
        assert [job.name for job in RunningJobs(tmp_path, since=now - 500).read()] == ["alive"]


class TestStudyName:
    @pytest.fixture(autouse=True)
    def _configs(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.yaml").write_text("study: default\n")
        (tmp_path / "config" / "quick.yaml").write_text("study: quick\n")

    @pytest.mark.parametrize(
        ("command", "name"),
        [
            ("snakemake --cores 1", "default"),
            ("snakemake --configfile config/quick.yaml --cores 1 tables", "quick"),
            ("snakemake --configfile=config/quick.yaml", "quick"),
            ("snakemake --configfile nowhere.yaml", None),
            ("snakemake --config study=mine --configfile config/quick.yaml", "mine"),
        ],
    )
    def test_it_is_read_as_snakemake_reads_it(self, command, name):
        assert launch.study_name(command.split()) == name


FAKE = """
import os, signal, sys, time
def stop(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(7)
signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
print("total  2", flush=True)
print("1 of 2 steps (50%) done", flush=True)
print("not for you", file=sys.stderr, flush=True)
"""
CHILD = "import subprocess\nchild = subprocess.Popen(['sleep', '300'])\nprint('child', child.pid, flush=True)\n"
WAIT = CHILD + "child.wait()\n"
STUBBORN = (
    "signal.signal(signal.SIGINT, lambda *a: print('got it', flush=True))\n" + CHILD + "while True: time.sleep(1)\n"
)
FAIL = "print('Error in rule train:\\n    jobid: 1\\n    log: logs/train.log\\n\\nThe end', flush=True)\nsys.exit(3)\n"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Writes a stand-in for Snakemake and gives the launcher's command line."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(tmp_path)

    def write(body):
        script = tmp_path / "snakemake.py"
        script.write_text(FAKE + textwrap.dedent(body))
        return [sys.executable, "-m", "alloymtl.progress", "--", sys.executable, str(script)]

    return write


def lacks_terminals():
    try:
        for descriptor in pty.openpty():
            os.close(descriptor)
    except OSError:
        return True
    return False


on_a_terminal = pytest.mark.skipif(lacks_terminals(), reason="this machine gives out no pseudo-terminals")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            # A shell starts a background job with SIGINT ignored, and its children inherit that; a terminal does not.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(command[0], command)
        self.text = ""

    def read_until(self, condition, seconds=30.0):
        """Read on until the condition holds; the command ending counts as that."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"gave up waiting; so far: {self.text}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    data = os.read(self.descriptor, 65536)
                except OSError:
                    return
                if not data:
                    return
                self.text += data.decode(errors="replace")

    def status(self):
        self.read_until(lambda: False)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def logged(folder):
    path = folder / "results" / "logs" / "snakemake.log"
    return path.read_text() if path.exists() else ""


class TestLauncher:
    def test_without_a_terminal_the_output_is_snakemakes_own(self, fake, tmp_path):
        done = subprocess.run(fake("sys.exit(3)"), capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert done.stdout == "total  2\n1 of 2 steps (50%) done\n"
        assert done.stderr == "not for you\n"
        assert not (tmp_path / "results").exists()

    def test_without_a_terminal_signals_are_snakemakes_own(self, fake):
        process = subprocess.Popen(
            fake("time.sleep(300)"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout.readline() == "total  2\n"
        assert process.stdout.readline().startswith("1 of 2")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[0] == "got SIGTERM\n"
        assert process.returncode == 7

    @on_a_terminal
    def test_on_a_terminal_bars_take_the_place_of_the_output(self, fake, tmp_path):
        terminal = Terminal(fake("time.sleep(1)"))
        assert terminal.status() == 0
        assert "━" in terminal.text
        assert "finished, 1 of 2 jobs" in terminal.text
        assert "not for you" not in terminal.text
        assert logged(tmp_path) == "total  2\n1 of 2 steps (50%) done\nnot for you\n"

    @on_a_terminal
    def test_on_a_terminal_errors_come_at_the_end_with_their_log(self, fake):
        terminal = Terminal(fake(FAIL))
        assert terminal.status() == 3
        end = terminal.text[terminal.text.rindex("Error in rule train") :]
        assert "log: logs/train.log" in end
        assert "failed with exit status 3, 1 of 2 jobs" in end
        assert "results/logs/snakemake.log" in end

    @on_a_terminal
    def test_a_failure_before_any_job_shows_what_was_said(self, fake):
        terminal = Terminal(fake("print('WorkflowError: no such rule')\nsys.exit(1)"))
        assert terminal.status() == 1
        assert "WorkflowError: no such rule" in terminal.text

    @on_a_terminal
    @pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
    def test_stopping_reaches_snakemake_once_and_leaves_no_child(self, fake, tmp_path, how):
        terminal = Terminal(fake(WAIT))
        terminal.read_until(lambda: "child" in logged(tmp_path))
        if how == "SIGINT":
            os.write(terminal.descriptor, b"\x03")
        else:
            os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.status() == 7
        assert logged(tmp_path).count("got ") == 1
        assert f"got {how}" in logged(tmp_path)
        assert "stopped, 1 of 2 jobs" in terminal.text
        assert not is_alive(int(re.search(r"child (\d+)", logged(tmp_path))[1]))

    @on_a_terminal
    def test_a_child_that_will_not_stop_is_killed_at_the_third_signal(self, fake, tmp_path):
        terminal = Terminal(fake(STUBBORN))
        terminal.read_until(lambda: "child" in logged(tmp_path))
        for count in (1, 2):
            os.write(terminal.descriptor, b"\x03")
            terminal.read_until(lambda count=count: logged(tmp_path).count("got it") == count)
        os.write(terminal.descriptor, b"\x03")
        assert terminal.status() == 128 + signal.SIGKILL
        assert not is_alive(int(re.search(r"child (\d+)", logged(tmp_path))[1]))

    @on_a_terminal
    def test_a_dry_run_is_text(self, fake):
        terminal = Terminal([*fake(""), "--dry-run"])
        assert terminal.status() == 0
        assert "not for you" in terminal.text

    def test_a_missing_command_is_said_in_one_line(self, capsys):
        assert launch.main(["--", "no-such-snakemake"]) == 127
        assert capsys.readouterr().err == "error: no-such-snakemake: no such command\n"


def test_a_config_that_is_not_there_is_said_before_snakemake_starts(capsys):
    assert launch.main(["--", sys.executable, "--configfile", "nowhere.yaml"]) == 1
    assert capsys.readouterr().err == "error: nowhere.yaml: this config does not exist. Mend: correct the path.\n"


def test_the_time_of_a_process_covers_its_stages(tmp_path):
    path = tmp_path / "progress.json"
    for stage in ("first", "second"):
        with Reporter(path, stage, 1) as reporter:
            began = time.monotonic()
            reporter.update(1, {"validation loss": 0.5})
            state = read(path)
            assert state.spent >= began - PROCESS_START
            assert state.elapsed <= state.spent
