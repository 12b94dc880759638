"""Alloys that carry the labels of several tasks: exactly as many as the settings ask for."""

from __future__ import annotations

import math

from alloymtl.data.simulate.samples import Samples
from alloymtl.data.simulate.settings import ALL, OVERLAP, Settings
from alloymtl.errors import UserError


def _group(key: str, settings: Settings) -> list[str]:
    """The tasks that an overlap setting names; the scarcest, which lends its alloys, first."""
    tasks = settings.rows if key == ALL else key.split("-")
    return sorted(tasks, key=lambda task: settings.rows[task])


def common_rows(settings: Settings) -> dict[str, int]:
    """How many alloys each overlap setting makes common.

    n_a and n_b labels with m alloys in common have Jaccard index J = m/(n_a + n_b - m), hence
    m = J (n_a + n_b)/(1 + J), rounded to a row. Pairs use disjoint rows, so that each J is exact and no alloy
    carries three labels.

    Raises:
        UserError: the rows of a task do not suffice; names the largest index that does.
    """
    free = dict(settings.rows)
    common = {}
    for key, jaccard in settings.overlap.items():
        group = _group(key, settings)
        total = settings.rows[group[0]] + settings.rows[group[-1]]
        m = round(jaccard * total / (1 + jaccard))
        most = min(free[task] for task in group)
        if m > most:
            largest = math.floor(most / (total - most) * 1e4) / 1e4
            raise UserError(
                f"simulation.overlap.{key}",
                f"an index of {jaccard} needs {m} common rows, and only {most} are free.",
                f"ask for {largest} at most, or change simulation.rows.",
            )
        for task in group:
            free[task] -= m
        common[key] = m
    return common


def apply_overlap(samples: dict[str, Samples], settings: Settings) -> dict[str, Samples]:
    """Measure random alloys of one task for another too, in place of as many of its own; row counts stay.

    Args:
        samples: per task, without common alloys.
        settings: the simulated world.

    Raises:
        UserError: see ``common_rows``.
    """
    rng = settings.stream(OVERLAP)
    free = {task: rng.permutation(len(own)) for task, own in samples.items()}
    shared = dict(samples)
    for key, m in common_rows(settings).items():
        lender, *borrowers = _group(key, settings)
        for task in borrowers:
            shared[task] = shared[task].with_common(free[task][:m], shared[lender], free[lender][:m])
        for task in (lender, *borrowers):
            free[task] = free[task][m:]
    return shared
