"""What losses share: the mean over a task's labelled rows."""

from __future__ import annotations

from torch import Tensor


def labelled_mean(each: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
    """Mean of weight x loss over each task's labelled rows (arXiv:2512.22740, equation 7); 0 for an absent task.

    Args:
        each: loss of each entry, (batch x tasks), finite everywhere.
        labelled: 1 where there is a label, else 0.
        weight: weight of each entry, 0 where there is no label.
    """
    return (weight * each).sum(0) / labelled.sum(0).clamp(min=1)
