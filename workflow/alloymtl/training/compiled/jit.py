"""How kernels are compiled, and where the machine code is kept for the jobs that come after.

A study is many short jobs and compiling takes half a minute, so compiled code goes to a folder that all jobs share:
``$ALLOYMTL_CACHE``, or ``alloymtl`` in the user's cache folder. Numba looks only at the file of the function it loads,
not at what this one takes from others, so the folder is named by a checksum of all that machine code depends on: every
source file here and in ``methods``, the versions of the compiler and the processor. Its files are written under a
temporary name and renamed, so any number of jobs may start on an empty folder at once: each compiles, and the last
one's copy stays.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import binding
from numba import types
from numba.core.caching import UserProvidedCacheLocator
from numba.core.dispatcher import Dispatcher

# Sums may be reordered, so that they can be done several at a time; infinities and NaN keep their meaning, since they
# tell that training diverged.
FAST = {"reassoc", "contract", "arcp", "nsz"}
_KEPT = 30 * 24 * 3600  # seconds


def _sources() -> list[Path]:
    """Files that kernels are made of. A balancer is a value to them, so that a new one compiles itself alone."""
    here = Path(__file__).resolve().parent
    files = [file for folder in (here, here.parents[1] / "methods") for file in folder.rglob("*.py")]
    return [file for file in files if file.parent != _balancers()]


def _balancers() -> Path:
    return Path(__file__).resolve().parents[2] / "methods" / "balancers"


def _checksum(files: Iterable[Path]) -> str:
    versions = (
        numba.__version__,
        np.__version__,
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    )
    digest = hashlib.sha256("\0".join(versions).encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled kernels are kept; a temporary folder of this process where no lasting one can be written."""
    try:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        caches = Path(os.environ.get("ALLOYMTL_CACHE") or Path(caches, "alloymtl"))
        folder = caches / f"kernels-{_checksum(_sources())}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            os.utime(folder)
        _forget(folder)
        return folder
    except (OSError, RuntimeError):
        own = tempfile.mkdtemp(prefix="alloymtl-kernels-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return Path(own)


def _forget(folder: Path) -> None:
    """Remove the folders of other versions that no job has used for a month."""
    for other in folder.parent.glob("kernels-*"):
        with contextlib.suppress(OSError):  # another job may be at it
            if time.time() - other.stat().st_mtime > _KEPT:
                shutil.rmtree(other)


class Locator(UserProvidedCacheLocator):
    """Finds the machine code of a function by its place in this package, so that every checkout shares it.

    Numba goes by the whole path, though it compares the source's content as well.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Folder below the cache's own."""
        path, package = Path(py_file).resolve(), Path(__file__).resolve().parents[2]
        if not path.is_relative_to(package):  # a user's own, such as a test's
            return super().get_suitable_cache_subpath(py_file)
        name = "_".join(path.parent.relative_to(package).parts)
        return f"{name}-{_checksum(_balancers().glob('*.py'))}" if path.parent == _balancers() else name


numba.config.CACHE_DIR = str(cache_folder())
numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{Locator.__name__}"


def kernel(function: Callable) -> Callable:
    """Compile a function of the network's arithmetic; it runs in the precision of the arrays that it is given."""
    return numba.njit(cache=True, error_model="numpy", fastmath=FAST)(function)


def inlined(function: Callable) -> Callable:
    """A piece of a kernel, put in the place of its call: what is called by name costs as much as what it does."""
    return numba.njit(inline="always")(function)


def exact(signature: types.Type) -> Callable[[Callable], Callable]:
    """Compile a function with one signature and no reordering of sums.

    It gives what Python gives, bit by bit, but for numbers below the smallest normal one (see ``denormals``).
    """
    return numba.njit(signature, cache=True, error_model="numpy")


@cache
def _with_signature(function: Callable, kinds: tuple[types.Type, ...]) -> Callable:
    return numba.njit(kinds, cache=True, error_model="numpy", fastmath=FAST)(function)


def entry(function: Callable, *arguments: Any) -> Callable:
    """Compile a function that Python calls, such that compiled functions among its arguments are values.

    By default Numba would compile it anew for every loss and balancer.

    Args:
        function: not compiled yet.
        arguments: of the kinds that it will be called with.
    """

    def kind(argument: Any) -> types.Type:
        if isinstance(argument, Dispatcher):
            (signature,) = argument.overloads.values()
            return types.FunctionType(signature.signature)
        return numba.typeof(argument)

    return _with_signature(function, tuple(map(kind, arguments)))


_vector, _matrix = types.float64[::1], types.float64[:, ::1]
BALANCE = _matrix(_vector, _matrix, types.boolean[::1], _vector, _vector, _vector)
"""A balancer's ``balance(losses, gram, present, draws, state, settings)``."""
LOSS = types.float64(_vector, _vector, _vector, types.float64, _matrix, _vector, _vector)
"""A loss of one task (see ``kernels.losses``)."""
