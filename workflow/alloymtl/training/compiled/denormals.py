"""Numbers below the smallest normal one count as zero while kernels run.

What belongs to units that have died sinks there, and x86 processors take a hundred times longer over such numbers:
without this a structured network's step takes five times as long at epoch 30 as at the start. Where the processor is
another one nothing is switched.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from alloymtl.training.compiled.jit import kernel

_FLUSH = np.uint32(0x8040)  # flush-to-zero and denormals-are-zero in the control register of SSE
_IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}


@intrinsic
def _exchange(context: Any, value: Any) -> Any:
    """Put a value into the control register; what was in it. Where there is no such register, the value itself."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not _IS_X86:
            return arguments[0]
        word, pointer = ir.IntType(32), ir.PointerType(ir.IntType(8))
        before, after = cgutils.alloca_once(builder, word), cgutils.alloca_once(builder, word)
        of_address = ir.FunctionType(ir.VoidType(), [pointer])
        for name, place in (("stmxcsr", before), ("ldmxcsr", after)):
            if place is after:
                builder.store(arguments[0], after)
            call = cgutils.get_or_insert_function(builder.module, of_address, f"llvm.x86.sse.{name}")
            builder.call(call, [builder.bitcast(place, pointer)])
        return builder.load(before)

    return types.uint32(types.uint32), generate


@kernel
def flush():
    """Switch over to flushing; what ``restore`` needs to switch back."""
    before = _exchange(np.uint32(0x1F80))  # the register's state at the start of any program
    _exchange(before | _FLUSH)
    return before


@kernel
def restore(before):
    """Switch back."""
    _exchange(before)
