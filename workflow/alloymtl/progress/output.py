"""What Snakemake's output says about a build, line by line."""

from __future__ import annotations

import re
from collections import deque

TOTAL = re.compile(r"^total\s+(\d+)$")
DONE = re.compile(r"^(\d+) of (\d+) steps \(.*\) done$")
START = re.compile(r"^(?:local)?(?:rule|checkpoint) (\S+):$")
JOB = re.compile(r"^    jobid: (\d+)$")
FINISHED = re.compile(r"^Finished jobid: (\d+)\b")
ERROR = re.compile(r"^Error in (?:rule|group|checkpoint|job) ")
MESSAGE = re.compile(r"^(?:error|warning): ")


class SnakemakeOutput:
    """State of a build, from the lines that Snakemake and its jobs print.

    Attributes:
        done: jobs that have ended well.
        total: jobs to do, None until Snakemake has said so.
        running: rule by job id.
        failed: ids of jobs that failed and have not ended well since.
        errors: Snakemake's error blocks, without the commands that it repeats in them.
        messages: lines that a step means for the user, beginning with ``error:`` or ``warning:``.
        tail: the last lines of all.
    """

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.running: dict[int, str] = {}
        self.failed: set[int] = set()
        self.errors: list[list[str]] = []
        self.messages: list[str] = []
        self.tail: deque[str] = deque(maxlen=20)
        self._starting: str | None = None
        self._in_error = False
        self._in_shell = False

    def feed(self, line: str) -> None:
        """Take one line, with or without its line end."""
        line = line.rstrip()
        if line:
            self.tail.append(line)
        if line.startswith("    "):
            self._detail(line)
            return
        self._in_error, self._starting = False, None
        if ERROR.match(line):
            self.errors.append([line])
            self._in_error, self._in_shell = True, False
        elif match := START.match(line):
            self._starting = match[1]
        elif match := FINISHED.match(line):
            self.running.pop(int(match[1]), None)
            self.failed.discard(int(match[1]))
        elif match := DONE.match(line):
            self.done, self.total = int(match[1]), int(match[2])
        elif match := TOTAL.match(line):
            self.total = int(match[1])
        elif MESSAGE.match(line):
            self.messages.append(line)

    def _detail(self, line: str) -> None:
        """One indented line: of a job that starts, or of an error block."""
        job = JOB.match(line)
        if job and self._starting:
            self.running[int(job[1])] = self._starting
        if not self._in_error:
            return
        if job:
            self.running.pop(int(job[1]), None)
            self.failed.add(int(job[1]))
        if not line.startswith("     "):
            self._in_shell = line.strip() == "shell:"
        if not self._in_shell and line.strip() != "message: None":
            self.errors[-1].append(line)
