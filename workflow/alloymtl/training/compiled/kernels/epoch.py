"""The steps of an epoch in one call, for every architecture, loss and balancer.

``train`` and ``task_gradients`` are what Python calls; ``jit.entry`` compiles them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alloymtl.training.compiled.denormals import flush, restore
from alloymtl.training.compiled.jit import BALANCE, exact, kernel
from alloymtl.training.compiled.kernels.adam import adam
from alloymtl.training.compiled.kernels.backbone import (
    backward,
    clear,
    combine,
    forward,
    gradients,
    gram,
    inner,
    output_of,
    room,
    signals_of,
)
from alloymtl.training.compiled.kernels.coupling import couple
from alloymtl.training.compiled.kernels.curvature import find_step_size
from alloymtl.training.compiled.kernels.explicit import gradient_of_task
from alloymtl.training.compiled.kernels.graph import EMBEDDING, END, graph_backward, graph_forward, graph_room
from alloymtl.training.compiled.kernels.sharpness import combine_sharp, sharp_gradients, sharp_room
from alloymtl.training.compiled.kernels.tasks import desk, find_members, run_task, scale_heads, scatter, share_of, take

NO_GRADIENTS, LAST_SHARED, ALL_SHARED, NO_BUT_LOSSES = 0, 1, 2, 3
"""What a balancer asks for: there is none; gradients of the last shared linear map; of all shared parameters; losses
alone."""
PLAIN, AUTOMATIC, FLAT = 0, 1, 2
"""How steps are taken (see ``methods.optimisers``)."""


class Settings(NamedTuple):
    """Numbers that do not change within an epoch.

    Attributes:
        decay: weight decay.
        sigma_rate: learning rate of the losses' sigma.
        smallest_sigma: value below which sigma does not act.
        alpha: weight of the auxiliary heads.
        sparse: lambda_sparse.
        self_: lambda_self.
        coupling: pull between the backbones of soft sharing.
        label_mean: whether losses are means over all labels of a batch, not over each task's.
        asks: which gradients the balancer asks for.
        measure_every: measure the tasks' gradients in every so many-th step; 0: in none.
        steps: how steps are taken.
        every: steps between two automatic step sizes.
        memory: share that each keeps of the one before.
        radius_shared: how far sharp minima are looked for, in shared parameters.
        radius_own: in a task's own.
    """

    decay: float
    sigma_rate: float
    smallest_sigma: float
    alpha: float
    sparse: float
    self_: float
    coupling: float
    label_mean: bool
    asks: int
    measure_every: int
    steps: int
    every: int
    memory: float
    radius_shared: float
    radius_own: float


class State(NamedTuple):
    """All that steps change.

    Attributes:
        w: parameters.
        g: gradients of the last step.
        m: first moments.
        v: second moments.
        statistics: running statistics of batch normalisation.
        sigma: SD of the noise of each regression task, where the loss learns it (regression tasks,), float64.
        sigma_g: gradients of these.
        sigma_m: first moments of these.
        sigma_v: second moments of these.
        balancer: the balancer's own.
        second: the same of a second sum of gradients, where steps need one.
        steps: number of steps taken (1,).
        rate: learning rate (1,), float64.
    """

    w: np.ndarray
    g: np.ndarray
    m: np.ndarray
    v: np.ndarray
    statistics: np.ndarray
    sigma: np.ndarray
    sigma_g: np.ndarray
    sigma_m: np.ndarray
    sigma_v: np.ndarray
    balancer: np.ndarray
    second: np.ndarray
    steps: np.ndarray
    rate: np.ndarray


@exact(BALANCE)
def unweighed(losses, gram, present, draws, state, settings):
    """Stands where there is no balancer: every task counts as it is."""
    return np.ones((2, len(losses)))


def train(
    net,
    rows,
    order,
    starts,
    draws,
    calibration,
    dropout,
    coefficients,
    loss,
    balance,
    balancing,
    settings,
    state,
    grams,
    applied,
):
    """Take the steps of an epoch.

    Args:
        net: the network.
        rows: training rows.
        order: numbers of the rows of all batches, one batch after the other.
        starts: where each batch begins in it, and the end (steps + 1,).
        draws: random numbers for the balancer (steps x n).
        calibration: smoothing of features.
        dropout: decisions of the epoch.
        coefficients: static weights of the tasks' losses (tasks,).
        loss: loss of the regression tasks (``jit.LOSS``).
        balance: the balancer (``jit.BALANCE``); not asked where it asks for no gradients.
        balancing: the balancer's settings.
        settings: numbers.
        state: changed in place.
        grams: for each measured step that held several tasks, inner products of their weighted losses' gradients on the
            shared parameters (steps x tasks x tasks), NaN for absent tasks; the first ones are set.
        applied: of the same steps, the multipliers of these gradients (steps x tasks).

    Returns:
        Sums of the tasks' plain losses over all their labels, and how many of ``grams`` were set.
    """
    n_tasks, n_layers = net.n_tasks, len(net.width) - 1
    w, g = state.w, state.g
    largest, n_measured, before = 0, 0, flush()
    for step in range(len(starts) - 1):
        largest = max(largest, starts[step + 1] - starts[step])
    kept, on, graph = room(net, largest, n_tasks, w), desk(net, largest, w), graph_room(net, w)
    aside = desk(net, largest if settings.steps == AUTOMATIC else 0, w)
    sizes = net.graph[END] - net.graph[EMBEDDING]
    of_graph = np.zeros((n_tasks if settings.asks == ALL_SHARED or settings.measure_every > 0 else 0, sizes), w.dtype)
    shares = np.ones(n_tasks)
    sharp = sharp_room(n_tasks if settings.steps == FLAT else 0, w)
    for step in range(len(starts) - 1):
        row, n = starts[step], starts[step + 1] - starts[step]
        batch = order[row : row + n]
        find_members(rows.labelled, batch, on)
        take(rows.x, batch, kept.x[:n])
        measured = settings.measure_every > 0 and step % settings.measure_every == 0 and (on.count > 0).sum() > 1
        if net.embedding > 0:
            graph_forward(net, w, graph)
        on.losses[:] = 0.0
        sigma = np.maximum(state.sigma, settings.smallest_sigma)
        for k in range(net.n_backbones):
            forward(net, k, n, w, state.statistics, True, dropout.keep, row, dropout.in_backbone, dropout.factor, kept)
            h = output_of(net, n_layers - 1, n, kept) if n_layers > 0 else kept.x[:n]
            first, end = (0, n_tasks) if net.n_backbones == 1 else (k, k + 1)
            if settings.steps == FLAT:
                flatten(
                    net, n, batch, row, rows, loss, coefficients, settings, sigma, graph, calibration, dropout, kept,
                    on, state, sharp, balance, balancing, draws[step], measured, grams[n_measured], applied[n_measured],
                )  # fmt: skip
                n_measured += 1 if measured else 0
                continue
            for t in range(first, end):
                if on.count[t] == 0:
                    scale_heads(net, t, 0.0, g)
                    on.d_messages[t] = 0.0
                    continue
                share = share_of(on, t, coefficients, settings.label_mean)
                run_task(
                    net, t, batch, row, h, rows, loss, share, w, sigma, settings.alpha, graph.messages, calibration,
                    dropout, on, g,
                )  # fmt: skip
                on.losses[t] *= share
            if net.n_backbones == 1 and (measured or settings.asks != NO_GRADIENTS):
                multipliers = weigh(
                    net, n, kept, on, graph, of_graph, w, balance, balancing, draws[step], dropout, settings, state,
                    measured, grams[n_measured],
                )  # fmt: skip
                for t in range(n_tasks):
                    shares[t] = multipliers[0, t]
                    if measured:
                        applied[n_measured, t] = shares[t]
                    if settings.asks != NO_GRADIENTS and on.count[t] > 0:
                        scale_heads(net, t, multipliers[1, t], g)
                        on.d_sigma[t] *= multipliers[1, t]
                        on.d_messages[t] *= w.dtype.type(multipliers[0, t])
                n_measured += 1 if measured else 0
            if net.n_backbones > 1 and on.count[k] == 0:
                clear(net, k, g)
            elif n_layers > 0:
                if settings.asks != ALL_SHARED:
                    signal = signals_of(net, n_layers - 1, 0, 1, n, kept)
                    signal[:] = 0.0
                    for t in range(first, end):
                        scatter(on, t, shares[t], signal)
                    backward(net, k, n, w, 1, n_layers - 1, 0, dropout.in_backbone, dropout.factor, kept)
                gradients(net, k, n, 0, kept, g)
        if net.embedding > 0:
            place = net.graph[EMBEDDING]
            if settings.steps == FLAT:
                on.d_messages[:] = 0.0
                penalties = np.zeros_like(g[place : place + sizes])
                graph_backward(net, w, graph, on.d_messages, settings.sparse, settings.self_, penalties)
                g[place : place + sizes] += penalties
            else:
                graph_backward(net, w, graph, on.d_messages, settings.sparse, settings.self_, g[place : place + sizes])
        if net.n_backbones > 1:
            couple(net, w, settings.coupling, g)
        if settings.steps == AUTOMATIC and state.steps[0] % settings.every == 0:
            following = (step + 1) % (len(starts) - 1)
            first, end = starts[following], starts[following + 1]
            find_step_size(
                net, end - first, order[first:end], first, rows, loss, coefficients, settings, sigma, graph,
                calibration, dropout, kept, aside, state,
            )  # fmt: skip
        state.steps[0] += 1
        adam(w, g, state.m, state.v, state.rate[0], settings.decay, state.steps[0])
        step_sigma(rows, on, settings, state)
    restore(before)
    return on.plain, n_measured


@kernel
def step_sigma(rows, on, settings, state):
    """Adam on the losses' sigma, without weight decay; an absent task's has a gradient of zero.

    A sigma below the floor acts as the floor, so no gradient that would take it further down passes.
    """
    state.sigma_g[:] = 0.0
    for t in range(len(rows.noise)):
        place = rows.noise[t]
        if place >= 0 and on.count[t] > 0:
            state.sigma_g[place] = on.d_sigma[t]
    for place in range(state.sigma.size):
        if state.sigma[place] < settings.smallest_sigma and state.sigma_g[place] > 0:
            state.sigma_g[place] = 0.0
    adam(state.sigma, state.sigma_g, state.sigma_m, state.sigma_v, settings.sigma_rate, 0.0, state.steps[0])


@kernel
def weigh(
    net, n, kept, on, graph, of_graph, w, balance, balancing, draws, dropout, settings, state, measured, gram_of_step
):
    """Ask the balancer how to weigh the tasks' gradients, and keep their inner products where they are measured.

    With ``ALL_SHARED`` the backbone's signals come back combined, ready for its gradients; without, they have been
    overwritten and the caller scatters anew.

    Returns:
        Multipliers of each task's gradient on shared parameters and on heads (2 x tasks); without a balancer, ones.
    """
    n_tasks, n_layers = net.n_tasks, len(net.width) - 1
    last = n_layers - 1
    present = on.count > 0
    here = np.flatnonzero(present)
    count = len(here)
    whole = measured or settings.asks == ALL_SHARED
    if whole or settings.asks == LAST_SHARED:
        for q in range(count):
            signal = signals_of(net, last, q, 1, n, kept)
            signal[:] = 0.0
            scatter(on, here[q], 1.0, signal)
        backward(net, 0, n, w, count, last, 0 if whole else last, dropout.in_backbone, dropout.factor, kept)
    products, gram_here = np.zeros((n_tasks, n_tasks)), np.zeros((count, count))
    if whole:
        gram(net, n, count, 0, True, kept, gram_here)
        if net.embedding > 0:
            one = np.zeros_like(on.d_messages)
            for q in range(count):
                one[:] = 0.0
                one[here[q]] = on.d_messages[here[q]]
                graph_backward(net, w, graph, one, 0.0, 0.0, of_graph[q])
            for q in range(count):
                for r in range(count):
                    gram_here[q, r] += inner(of_graph[q], of_graph[r])
    if measured:
        gram_of_step[:] = np.nan
        for q in range(count):
            for r in range(count):
                gram_of_step[here[q], here[r]] = gram_here[q, r]
    multipliers = np.ones((2, n_tasks))
    if settings.asks == LAST_SHARED:
        gram(net, n, count, last, False, kept, gram_here)
    if settings.asks != NO_GRADIENTS:
        if settings.asks != NO_BUT_LOSSES:
            for q in range(count):
                for r in range(count):
                    products[here[q], here[r]] = gram_here[q, r]
        multipliers = balance(on.losses, products, present, draws, state.balancer, balancing)
    if settings.asks == ALL_SHARED:
        combine(net, n, count, 0, multipliers[0][here], kept)
    return multipliers


@kernel
def flatten(
    net, n, batch, row, rows, loss, coefficients, settings, sigma, graph, calibration, dropout, kept, on, state, sharp,
    balance, balancing, draws, measured, gram_of_step, applied_in_step,
):  # fmt: skip
    """Set the gradients of a step that seeks flat minima, and keep what is measured of it (see ``train``)."""
    n_tasks, present = net.n_tasks, on.count > 0
    products, of_steep = sharp_gradients(
        net, n, batch, row, rows, loss, coefficients, settings, sigma, graph, calibration, dropout, kept, on, state,
        sharp,
    )  # fmt: skip
    multipliers, second = np.ones((2, n_tasks)), np.ones((2, n_tasks))
    if settings.asks != NO_GRADIENTS:
        multipliers = balance(on.losses, products, present, draws, state.balancer, balancing)
        second = balance(on.losses, of_steep, present, draws, state.second, balancing)
    combine_sharp(net, multipliers, second, present, sharp, state.g)
    for t in range(n_tasks):
        if present[t]:
            scale_heads(net, t, multipliers[1, t], state.g)
            on.d_sigma[t] *= multipliers[1, t]
    if measured:
        applied_in_step[:] = multipliers[0]
        for q in range(n_tasks):
            for r in range(n_tasks):
                gram_of_step[q, r] = products[q, r] if present[q] and present[r] else np.nan


def task_gradients(net, rows, batch, calibration, dropout, coefficients, loss, settings, state):
    """Gradient of each task's loss on the parameters of the backbone and the graph for one batch, without dropout.

    Batch normalisation uses the statistics of these rows; nothing of the state changes but ``state.g``.

    Args:
        net: the network, with one backbone.
        rows: training rows.
        batch: numbers of the batch's rows.
        calibration: inactive.
        dropout: inactive.
        coefficients: factors of the losses (tasks,).
        loss: loss of the regression tasks.
        settings: numbers.
        state: parameters.

    Returns:
        (tasks x parameters), of which those of the heads have no meaning; zero for an absent task.
    """
    n, n_tasks = len(batch), net.n_tasks
    w, before = state.w, flush()
    kept, on, graph = room(net, n, 1, w), desk(net, n, w), graph_room(net, w)
    found = np.zeros((n_tasks, w.size), w.dtype)
    find_members(rows.labelled, batch, on)
    sigma = np.maximum(state.sigma, settings.smallest_sigma)
    take(rows.x, batch, kept.x)
    if net.embedding > 0:
        graph_forward(net, w, graph)
    forward(net, 0, n, w, state.statistics, False, dropout.keep, 0, 0, 1.0, kept)
    for t in range(n_tasks):
        if on.count[t] > 0:
            share = share_of(on, t, coefficients, settings.label_mean)
            gradient_of_task(
                net, t, n, batch, 0, rows, loss, share, w, sigma, settings.alpha, graph, calibration, dropout, kept, on,
                found[t],
            )  # fmt: skip
    restore(before)
    return found
