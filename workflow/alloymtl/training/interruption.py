"""Stopping when asked to: by a time limit, a preemption, ``scancel`` or Ctrl-C, with what is trained so far saved.

Slurm asks with SIGTERM some seconds before it kills.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGINT)
SAME_REQUEST_SECONDS = 2.0
"""A job's processes may each pass the same request on; one that comes later is meant to kill."""
Asked = Callable[[], str | None]
"""Tells the name of the signal by which the process was asked to stop, or None."""


def never() -> None:
    """For a training that is not to be interrupted."""
    return


@contextmanager
def heeding() -> Iterator[Asked]:
    """Take note of a request to stop in place of dying at once.

    Only the main thread can do so; in another one nothing is changed. A signal that is ignored, as under ``nohup``,
    stays so.
    """
    received: list[tuple[str, float]] = []
    before: dict[signal.Signals, signal._HANDLER] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        received.append((signal.Signals(number).name, time.monotonic()))
        if received[-1][1] - received[0][1] > SAME_REQUEST_SECONDS:
            restore()
            os.kill(os.getpid(), number)

    if threading.current_thread() is threading.main_thread():
        before = {n: signal.getsignal(n) for n in HEEDED if signal.getsignal(n) not in (signal.SIG_IGN, None)}
        for number in before:
            signal.signal(number, note)
    try:
        yield lambda: received[0][0] if received else None
    finally:
        restore()
