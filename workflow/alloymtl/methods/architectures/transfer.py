"""Transfer from the largest task (arXiv:2512.22740, section 4.6.3): its backbone, reused for each of the others.

The task with the most labels is the source and is trained first, on its own. Each other task is then trained on its
own rows with a new head. ``pretrained`` and ``frozen`` give the four arms: the source's backbone frozen (the paper's
arm), the same backbone trained on, a frozen backbone of random weights, which tells what any fixed map of the features
would do, and training from scratch (the paper's baseline). A frozen backbone keeps its running statistics, which for
random weights are first taken from the task's training rows, and drops units in front of the head only. For one seed
all arms draw the same initial heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.methods.stages import Stage

OPTIONS = {"head": 64, "pretrained": True, "frozen": True}
SHARED = False
FORM = "shared"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """The source, then each other task; the first task is the source where several are largest."""
    source = tasks[int(np.argmax(sizes))]
    start = source if options["pretrained"] else None
    others = [Stage((task,), start, options["frozen"]) for task in tasks if task != source]
    return [Stage((source,)), *others]
