"""Where the reference engine computes: on the processor, or on a GPU by CUDA."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import torch

from alloymtl.errors import UserError

CUDA = "cuda"
WORKSPACE = ":4096:8"
"""Of cuBLAS: one of the two settings with which its products are the same each time."""


def fault(here: bool) -> tuple[str, str] | None:
    """What keeps a network from training by CUDA, and the mend; None where nothing does.

    Args:
        here: whether this host is to train it, and so must have a GPU. Without that only the installed torch counts.
    """
    if torch.version.cuda is None:
        release = torch.__version__.partition("+")[0]
        mend = (
            f"install a CUDA build (pip install torch=={release}+cuNNN --index-url https://download.pytorch.org/whl/cuNNN,"
            " where cuNNN is a CUDA version that the GPU's driver knows, such as cu126)"
        )
        return f"the installed torch {torch.__version__} has no CUDA", mend
    if here and not torch.cuda.is_available():
        mend = "run it where there is one (on a cluster its job needs the resource gpu: 1, as slurm/config.yaml says)"
        return f"torch finds no GPU on host {platform.node()}", mend
    return None


def device_of(training: Mapping[str, Any]) -> torch.device:
    """The device that training settings ask for; a GPU is made ready for steps that are the same each time.

    Products on it keep all digits of single precision (no TF32), as they do on the processor.

    Args:
        training: settings of the training loop; without ``device`` it is the processor.

    Raises:
        UserError: CUDA is asked for, and torch cannot use it here.
    """
    device = torch.device(training.get("device", "cpu"))
    if device.type == CUDA:
        found = fault(here=True)
        if found is not None:
            what, mend = found
            raise UserError("training.device", f"it is 'cuda', and {what}.", f"{mend}, or set training.device: cpu.")
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACE  # torch reads it at its first product on the GPU
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
    return device
