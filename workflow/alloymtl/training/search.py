"""The trainings of a stage: one, or one for each of the balancer's candidates, of which the best is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from alloymtl.training.loop import Loop


def search(
    balancer: ModuleType,
    candidates: Sequence[np.ndarray],
    make: Callable[[np.ndarray], Loop],
    fit: Callable[[Loop, int], object],
) -> tuple[Loop, list[dict[str, Any]]]:
    """Train each candidate, and keep the one whose validation losses are best by the balancer's ``change``.

    Args:
        balancer: module with ``change``, asked where there are several candidates.
        candidates: weights of the tasks' losses (tasks,), one or more; the first are what others are compared with.
        make: a loop for some weights, yet to be run.
        fit: runs a loop, given the candidate's number.

    Returns:
        The loop that is kept, whose ``fit`` counts all trainings and their seconds; and what was tried, a line for each
        candidate and task (trial, task, weight, validation_loss, change, kept), none where there was no choice.
    """
    lines: list[dict[str, Any]] = []
    kept, best, spent, first = 0, -np.inf, 0.0, np.zeros(0)
    for number, weights in enumerate(candidates):
        loop = make(weights)
        fit(loop, number)
        spent += loop.fit.spent
        losses = _validation_losses(loop)
        first = losses if number == 0 else first
        change = balancer.change(losses, first) if len(candidates) > 1 else 0.0
        if change > best:
            chosen, kept, best = loop, number, change
        for task, weight, loss in zip(loop.plan.tasks, weights, losses, strict=True):
            line = {"trial": number, "task": task, "weight": float(weight), "validation_loss": float(loss)}
            lines.append({**line, "change": change})
    chosen.fit.spent, chosen.fit.trainings = spent, len(candidates)
    return chosen, [{**line, "kept": line["trial"] == kept} for line in lines] if len(candidates) > 1 else []


def _validation_losses(loop: Loop) -> np.ndarray:
    """Mean plain validation loss of each task (tasks,), by the parameters that predict it."""
    found = np.zeros(len(loop.plan.tasks))
    for position, task in enumerate(loop.plan.tasks):
        loop.load_best(task)
        found[position] = loop.engine.losses(*loop.plan.validation)[position]
    return found
