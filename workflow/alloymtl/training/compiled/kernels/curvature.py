"""The step size of ``methods.optimisers.automatic``, which says what it is."""

from __future__ import annotations

import numpy as np

from alloymtl.methods.optimisers.automatic import step_size
from alloymtl.training.compiled.jit import kernel
from alloymtl.training.compiled.kernels.adam import adam
from alloymtl.training.compiled.kernels.explicit import joint_loss
from alloymtl.training.compiled.kernels.tasks import find_members, take


@kernel
def find_step_size(
    net, n, batch, row, rows, loss, coefficients, settings, sigma, graph, calibration, dropout, kept, on, state
):
    """Set ``state.rate`` by the losses of another batch here, one step of Adam ahead, and as far behind.

    Args:
        net: the network.
        n: rows of that batch.
        batch: their numbers.
        row: where the batch begins in the epoch.
        rows: training rows.
        loss: loss of the regression tasks.
        coefficients: static weights of the tasks' losses (tasks,).
        settings: numbers.
        sigma: SD of the noise of the regression tasks.
        graph: room; changed.
        calibration: smoothing of features.
        dropout: of the epoch.
        kept: room; changed.
        on: a desk that is not the step's; changed.
        state: with the step's gradients.
    """
    w, rate = state.w, state.rate[0]
    find_members(rows.labelled, batch, on)
    take(rows.x, batch, kept.x[:n])
    moved, m, v, unwanted = w.copy(), state.m.copy(), state.v.copy(), np.empty_like(w)
    here = joint_loss(
        net, n, batch, row, rows, loss, coefficients, settings.label_mean, w, state.statistics, sigma,
        settings.alpha, graph, calibration, dropout, kept, on, unwanted,
    )  # fmt: skip
    adam(moved, state.g, m, v, rate, settings.decay, state.steps[0] + 1)
    ahead = joint_loss(
        net, n, batch, row, rows, loss, coefficients, settings.label_mean, moved, state.statistics, sigma,
        settings.alpha, graph, calibration, dropout, kept, on, unwanted,
    )  # fmt: skip
    for i in range(w.size):
        moved[i] = w[i] + w[i] - moved[i]
    behind = joint_loss(
        net, n, batch, row, rows, loss, coefficients, settings.label_mean, moved, state.statistics, sigma,
        settings.alpha, graph, calibration, dropout, kept, on, unwanted,
    )  # fmt: skip
    state.rate[0] = step_size(rate, here, ahead, behind, settings.memory)
