"""Who builds a study, as its notes tell it: what they say of living, dead and distant processes."""

import json
import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from alloymtl.errors import UserError
from alloymtl.progress import building


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A study's folder in an empty place, with a queue that knows what the file `queue` says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALLOYMTL_SHARE", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(
        '#!/bin/sh\ncase "$*" in *--jobs*) grep -q "^$3" queue && echo "$3" || '
        '{ echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; };; *) cat queue;; esac\n'
    )
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "queue").write_text("")
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    folder = tmp_path / "results" / "mine"
    folder.mkdir(parents=True)
    return folder


def note(root, name="other", **content):
    """A note of some process that began just now."""
    values = {"pid": 1, "started": "0", "host": socket.gethostname(), "since": time.time(), "job": None, "share": None}
    path = root / f".building.{name}.json"
    path.write_text(json.dumps({**values, **content}))
    return path


@pytest.fixture
def living():
    """A process of ours, as a note would name it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield {"pid": process.pid, "started": building._started(process.pid)}
    process.communicate(b"\n")


def test_a_build_leaves_a_note_for_as_long_as_it_lasts(root):
    building.begin(root)
    assert len(list(root.glob(building.PATTERN))) == 1
    assert building.notices(root) == []  # one's own
    building.end(root)
    assert not list(root.glob(building.PATTERN))


def test_a_living_process_keeps_others_out_and_a_dead_one_does_not(root, living):
    note(root, **living)
    (line,) = building.notices(root)
    assert f"another Snakemake builds this study (process {living['pid']} on " in line
    with pytest.raises(UserError, match="another Snakemake builds this study"):
        building.begin(root)
    path = note(root, **{**living, "started": "1"})  # the same number, another process
    (line,) = building.notices(root)
    assert "the last build was killed" in line
    assert "--rerun-incomplete" in line
    assert "--unlock" not in line  # nothing is locked
    building.begin(root)
    assert not path.exists()


def test_shares_do_not_keep_each_other_out_but_a_whole_build_and_the_same_share_do(root, living, monkeypatch):
    note(root, **living, share="0/3")
    with pytest.raises(UserError):
        building.begin(root)
    monkeypatch.setenv("ALLOYMTL_SHARE", "0/3")
    with pytest.raises(UserError):
        building.begin(root)
    monkeypatch.setenv("ALLOYMTL_SHARE", "1/3")
    building.begin(root)
    building.end(root)
    note(root, **living)
    with pytest.raises(UserError):
        building.begin(root)


def test_a_process_on_another_host_is_asked_for_by_its_slurm_job(root, tmp_path):
    (tmp_path / "queue").write_text("17\n")
    assert building.state({"pid": 1, "host": "elsewhere", "job": "17"}) == building.ALIVE
    assert building.state({"pid": 1, "host": "elsewhere", "job": "18"}) == building.DEAD
    assert building.state({"pid": 1, "host": "elsewhere", "job": None}) == building.UNKNOWN
    path = note(root, host="elsewhere")
    (line,) = building.notices(root)
    assert "cannot be asked from here" in line
    building.begin(root)  # who comes so far holds the lock
    assert not path.exists()


def test_jobs_that_a_killed_build_has_left_in_the_queue_are_named(root, tmp_path, living):
    here = os.path.realpath(tmp_path)
    jobs = [f"{n}|{here}|rule_train_hard_wildcards_all_42_1" for n in range(20, 30)]
    (tmp_path / "queue").write_text("\n".join([*jobs, "30|/elsewhere|rule_train_hard", f"31|{here}|something"]) + "\n")
    with pytest.raises(UserError, match=r"started from here: 20 21 22 23 24 25 26 27 and 2 more\."):
        building.check_queue("results", root)
    note(root, started="1")
    (line,) = building.notices(root)
    assert "first wait for its Slurm jobs, or cancel them (20 21 " in line
    other = tmp_path / "results" / "another study"
    other.mkdir()
    note(other, **living)
    building.check_queue("results", root)  # they may be those of the other study
