"""How the tasks' gradients on the shared parameters lie to each other, measured along the way.

Three views of one question. The steps' own mini-batches give what training meets, and what the paper reports
(arXiv:2512.22740, section 4.6.2); but a gradient of few rows is mostly noise, and noise is orthogonal to everything, so
that such cosines lie near zero whatever the tasks. A large batch with as many rows of each task reduces the noise.
Inner products across two disjoint halves of it are free of the bias that noise gives them, and with them the cosine of
the gradients that all training rows together would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any, Protocol

import numpy as np


class Measured(Protocol):
    """What a probe asks of an engine."""

    grams: list[np.ndarray]
    multipliers: list[np.ndarray]

    def task_gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of each task's loss on the shared parameters (tasks x numbers) for one large batch."""


def measure(
    engine: Measured,
    labelled: np.ndarray,
    tasks: Sequence[str],
    settings: Mapping[str, Any],
    epoch: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """All measures of one epoch: epoch, first, second, measure, value, n.

    ``cosine`` and ``cosine_sd`` are mean and sample SD over the measured steps that held both tasks (n of them; none,
    no line). Of a task by itself, where first is second, ``norm`` is the mean length of its gradient on the shared
    parameters over the measured steps that held it, and ``norm_scaled`` that of what the balancer made of it. In every
    ``epoch_interval``-th epoch, and the first, ``cosine_large`` is that of the large batch and ``product_halves`` the
    unbiased inner product from its halves (see ``product_of_all_rows``); n is the smaller task's rows in the batch.

    Args:
        engine: after its epoch.
        labelled: where training rows have a label (rows x tasks).
        tasks: names of the tasks, in the order of the columns.
        settings: ``rows`` of each task in the large batch, ``epoch_interval``.
        epoch: number of the epoch, from 1.
        rng: draws the large batch.
    """
    lines = [*_of_steps(engine.grams, tasks), *_norms(engine.grams, engine.multipliers, tasks)]
    if epoch == 1 or epoch % settings["epoch_interval"] == 0:
        lines += _of_large_batch(engine, labelled, tasks, settings["rows"], rng)
    return [{"epoch": epoch, **line} for line in lines]


def _of_steps(grams: Sequence[np.ndarray], tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    if not grams:
        return
    stacked = np.stack(grams)
    for a, b in _pairs(tasks):
        if a == b:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = stacked[:, a, b] / np.sqrt(stacked[:, a, a] * stacked[:, b, b])
        # Undefined where a task was absent, or its gradient is zero.
        cosine = cosine[np.isfinite(cosine)]
        if len(cosine):
            yield _line(tasks, a, b, "cosine", cosine.mean(), len(cosine))
        if len(cosine) > 1:
            yield _line(tasks, a, b, "cosine_sd", cosine.std(ddof=1), len(cosine))


def _norms(
    grams: Sequence[np.ndarray], multipliers: Sequence[np.ndarray], tasks: Sequence[str]
) -> Iterator[dict[str, Any]]:
    if not grams:
        return
    norms = np.sqrt(np.maximum(np.diagonal(np.stack(grams), axis1=1, axis2=2), 0))
    scaled = norms * np.abs(np.stack(multipliers))
    for a in range(len(tasks)):
        there = np.isfinite(norms[:, a])
        if there.any():
            yield _line(tasks, a, a, "norm", norms[there, a].mean(), there.sum())
            yield _line(tasks, a, a, "norm_scaled", scaled[there, a].mean(), there.sum())


def halves(labelled: np.ndarray, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint sets of rows, each with up to ``rows`` / 2 labelled rows of each task.

    Where tasks share rows a set may hold more of a task, since a row brings all its labels.

    Args:
        labelled: (rows x tasks), bool.
        rows: labelled rows of each task in both sets together; all of a smaller task.
        rng: draws the sets.
    """
    order = rng.permutation(len(labelled))
    sides: tuple[set[int], set[int]] = (set(), set())
    home: dict[int, int] = {}
    for task in np.argsort(labelled.sum(0), kind="stable"):
        candidates = [int(r) for r in order if labelled[r, task]][:rows]
        for place, row in enumerate(candidates):
            side = home.setdefault(row, place % 2)
            sides[side].add(row)
    first, second = (np.array(sorted(side), dtype=np.int64) for side in sides)
    return first, second


def product_of_all_rows(
    first: np.ndarray, second: np.ndarray, a: int, b: int, sets: Sequence[np.ndarray], labelled: np.ndarray
) -> float:
    """Unbiased estimate of the inner product of two tasks' gradients over all training rows.

    A task's gradient is the mean of its rows' gradients, as far as batch normalisation lets rows count for themselves.
    Across two halves A and B that share no row, noise does not square up. But halves drawn from a finite set without
    replacement repel each other: of rows that two tasks share (all of them where a is b) the mean product across halves
    falls short by S / N, with S the covariance of the rows' gradients, and where a network has fitted its few rows,
    whose gradients then cancel, that is all there is. The difference of the halves tells S: E[(A - B)_a (A - B)_b] is
    2 S n_ab / (m_a m_b) for n_ab common rows among m_a and m_b in a half, and N_ab / (N_a N_b) times S is added back.
    With every row in one of the halves the result is the product of the full gradients itself.

    Args:
        first: gradients of the tasks in half A (tasks x numbers).
        second: those in half B.
        a: number of a task.
        b: number of a task, the same or another.
        sets: rows of both halves.
        labelled: where training rows have a label (rows x tasks).
    """
    across = float(first[a] @ second[b] + second[a] @ first[b]) / 2
    drawn = np.concatenate(sets)
    common, of_a, of_b = (labelled[drawn][:, columns].all(1).sum() / 2 for columns in ([a, b], [a], [b]))
    if common == 0:
        return across
    all_common, all_a, all_b = (labelled[:, columns].all(1).sum() for columns in ([a, b], [a], [b]))
    covariance = float((first[a] - second[a]) @ (first[b] - second[b])) * of_a * of_b / (2 * common)
    return across + covariance * all_common / (all_a * all_b)


def _of_large_batch(
    engine: Measured, labelled: np.ndarray, tasks: Sequence[str], rows: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    sets = halves(labelled, rows, rng)
    if any(len(rows_of) < 2 for rows_of in sets):
        return []
    counts = sum(labelled[s].sum(0) for s in sets)
    first, second = (engine.task_gradients(s) for s in sets)
    whole = (first + second) / 2
    lines = []
    for a, b in _pairs(tasks):
        if not all(labelled[s][:, [a, b]].any(0).all() for s in sets):
            continue
        n = int(min(counts[a], counts[b]))
        norm = float(np.linalg.norm(whole[a]) * np.linalg.norm(whole[b]))
        if a != b and norm > 0:
            lines.append(_line(tasks, a, b, "cosine_large", whole[a] @ whole[b] / norm, n))
        product = product_of_all_rows(first, second, a, b, sets, labelled)
        lines.append(_line(tasks, a, b, "product_halves", product, n))
    return lines


def _pairs(tasks: Sequence[str]) -> list[tuple[int, int]]:
    return list(combinations_with_replacement(range(len(tasks)), 2))


def _line(tasks: Sequence[str], a: int, b: int, measure: str, value: float, n: int) -> dict[str, Any]:
    return {"first": tasks[a], "second": tasks[b], "measure": measure, "value": float(value), "n": int(n)}
