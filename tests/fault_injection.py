"""Faults for tests, put into a project as ``workflow/sitecustomize.py``, which Python imports when it starts.

It touches training alone and no file that decides a run, so that a run with a fault is the run without one. Files in
the working directory say what happens: ``pace`` holds the seconds that each epoch takes longer; ``fault`` the folder of
the run that ends with an error after its second epoch.
"""

import importlib.util
import sys
import time
from pathlib import Path

MODULE = "alloymtl.training.loop"


def afflicted(epoch_of):
    """The method of the loop that trains one epoch, with the faults."""

    def epoch(self, number):
        fault = Path("fault")
        if number > 2 and fault.exists() and any(fault.read_text() in word for word in sys.argv):
            raise RuntimeError("a fault of this test's")
        if (pace := Path("pace")).exists():
            time.sleep(float(pace.read_text()))
        return epoch_of(self, number)

    return epoch


class Finder:
    """Imports the loop as ever, then afflicts it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(Finder)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.Loop._epoch = afflicted(module.Loop._epoch)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
