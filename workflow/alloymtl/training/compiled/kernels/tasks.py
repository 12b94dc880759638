"""One task in one batch: its rows through its head to its loss, and back to the representation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alloymtl.training.compiled.jit import kernel
from alloymtl.training.compiled.kernels.heads import head_backward, head_forward
from alloymtl.training.compiled.kernels.losses import cross_entropy
from alloymtl.training.compiled.kernels.normalisation import drop
from alloymtl.training.compiled.kernels.smoothing import calibrate, calibrate_backward


class Rows(NamedTuple):
    """Training rows.

    Attributes:
        x: features (rows x features).
        y: targets (rows x tasks), 0 where there is no label, float64.
        labelled: where there is a label (rows x tasks).
        weights: weight of each label in the loss of its task (rows x tasks), float64.
        noise: place of each task's sigma, -1 for a class (tasks,).
        mixtures: distributions of the labels (regression tasks x 3 x components), or of no components.
    """

    x: np.ndarray
    y: np.ndarray
    labelled: np.ndarray
    weights: np.ndarray
    noise: np.ndarray
    mixtures: np.ndarray


class Calibration(NamedTuple):
    """Feature distribution smoothing of one epoch.

    Attributes:
        active: whether features are calibrated.
        bins: bin of each training row, or -1 (tasks x rows).
        own: mean of each bin (tasks x bins x width).
        factor: ratio of SDs.
        smoothed: smoothed mean.
    """

    active: bool
    bins: np.ndarray
    own: np.ndarray
    factor: np.ndarray
    smoothed: np.ndarray


class Dropout(NamedTuple):
    """Dropout of one epoch.

    Attributes:
        keep: decisions (rows of the epoch x units).
        factor: what kept units are multiplied by.
        in_backbone: layers in which the backbone drops units itself.
        before_heads: whether units of the last layer are dropped in front of the heads instead.
    """

    keep: np.ndarray
    factor: float
    in_backbone: int
    before_heads: bool


class Desk(NamedTuple):
    """What tasks work on; one row of each for a task.

    Attributes:
        count: labelled rows in the batch (tasks,).
        members: their places in the batch (tasks x rows).
        d_h: gradients of their representations (tasks x rows x width, the first ``count`` rows).
        d_messages: gradients of the messages of the task graph (tasks x embedding).
        d_sigma: gradients of the losses' sigma (tasks,), float64.
        losses: mean losses (tasks,), float64.
        plain: sums of the plain losses (tasks,), float64.
    """

    count: np.ndarray
    members: np.ndarray
    d_h: np.ndarray
    d_messages: np.ndarray
    d_sigma: np.ndarray
    losses: np.ndarray
    plain: np.ndarray


@kernel
def desk(net, rows, like):
    """An empty ``Desk`` for batches of so many rows, in the precision of the array ``like``."""
    n = net.n_tasks
    return Desk(
        np.zeros(n, np.int64),
        np.empty((n, rows), np.int64),
        np.empty((n, rows, net.width[-1]), like.dtype),
        np.zeros((n, net.embedding), like.dtype),
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
    )


@kernel
def take(source, rows, found):
    """Copy some rows of one array to another; as many as the other has."""
    for i in range(found.shape[0]):
        row = rows[i]
        for j in range(found.shape[1]):
            found[i, j] = source[row, j]


@kernel
def find_members(labelled, batch, on):
    """Which rows of the batch each task has labels for."""
    on.count[:] = 0
    for i in range(len(batch)):
        for t in range(labelled.shape[1]):
            if labelled[batch[i], t]:
                on.members[t, on.count[t]] = i
                on.count[t] += 1


@kernel
def _head_at(net, places, width, w):
    """Parts of a head, or their gradients: weight in, bias in, weight out, and the place of bias out."""
    hidden = net.hidden
    last = hidden if hidden > 0 else width
    weight_in = w[places[0] : places[0] + width * hidden].reshape(width, hidden)
    bias_in = w[places[1] : places[1] + hidden]
    weight_out = w[places[2] : places[2] + last]
    return weight_in, bias_in, weight_out, places[3]


@kernel
def run_task(net, t, batch, row, h, rows, loss, weight, w, sigma, alpha, messages, calibration, dropout, on, g):
    """Losses of a task that has labels in the batch, and the gradients of ``weight`` x its mean loss.

    Sets ``on.losses[t]`` to the mean loss itself, ``on.d_h[t]``, ``on.d_messages[t]``, ``on.d_sigma[t]`` and the task's
    heads in ``g`` to gradients; adds to ``on.plain[t]``.

    Args:
        net: the network.
        t: number of the task.
        batch: numbers of the batch's rows.
        row: where the batch begins in the epoch.
        h: representations (batch x width).
        rows: training rows.
        loss: loss of the regression tasks.
        weight: factor of the mean loss.
        w: parameters.
        sigma: SD of the noise of the regression tasks.
        alpha: weight of the auxiliary heads (equation 5).
        messages: of the task graph (tasks x embedding).
        calibration: smoothing of features.
        dropout: of the epoch.
        on: filled.
        g: gradients.
    """
    real = w.dtype
    count, width, embedding = on.count[t], h.shape[1], net.embedding
    members, d_h = on.members[t], on.d_h[t, :count]
    own = np.empty((count, width), real)
    take(h, members, own)
    bins = np.empty(count, np.int64)
    if calibration.active:
        for i in range(count):
            bins[i] = calibration.bins[t, batch[members[i]]]
        calibrate(own, bins, calibration.own[t], calibration.factor[t], calibration.smoothed[t])
    if dropout.before_heads:
        for i in range(count):
            at = dropout.keep.shape[1] - width
            drop(own[i : i + 1], dropout.keep, row + members[i], at, dropout.factor)

    output, hidden = np.zeros(count, real), np.empty((count, net.hidden), real)
    weight_in, bias_in, weight_out, bias_out = _head_at(net, net.heads[t], width, w)
    head_forward(own, weight_in, bias_in, weight_out, w[bias_out], 1.0, hidden, output)
    aside = np.empty((count, net.hidden), real)
    if embedding > 0:
        _auxiliary_forward(net, t, own, messages[t], w, alpha, aside, output)

    d_output = np.empty(count, real)
    _losses(t, batch, rows, loss, weight, sigma, output, members, on, d_output)

    d_weight_in, d_bias_in, d_weight_out, d_bias_out = _head_at(net, net.heads[t], width, g)
    g[d_bias_out] = head_backward(
        d_output, own, weight_in, weight_out, 1.0, hidden, d_weight_in, d_bias_in, d_weight_out, d_h
    )
    if embedding > 0:
        d_aside = np.empty((count, width), real)
        _auxiliary_backward(net, t, d_output, own, messages[t], w, alpha, aside, g, on.d_messages[t], d_aside)
        for i in range(count):
            for j in range(width):
                d_h[i, j] += d_aside[i, j]

    if dropout.before_heads:
        for i in range(count):
            at = dropout.keep.shape[1] - width
            drop(d_h[i : i + 1], dropout.keep, row + members[i], at, dropout.factor)
    if calibration.active:
        calibrate_backward(d_h, bins, calibration.factor[t])


@kernel
def _auxiliary_forward(net, t, h, message, w, alpha, hidden, output):
    """Add alpha x outputs of a task's auxiliary head for [message ; h] to ``output`` (equation 5).

    The message is the same for every row, so what the head's first map makes of it is a shift of that map.

    Args:
        net: the network.
        t: number of the task.
        h: representations (rows x width).
        message: to the task (embedding,).
        w: parameters.
        alpha: weight of the auxiliary head.
        hidden: activations of the hidden units (rows x hidden); set.
        output: (rows,).
    """
    embedding = net.embedding
    into, shift, out, end = _head_at(net, net.auxiliary[t], embedding + h.shape[1], w)
    if net.hidden > 0:
        head_forward(h, into[embedding:], shift + _through(message, into), out, w[end], alpha, hidden, output)
    else:
        constant = w[end]
        for e in range(embedding):
            constant += message[e] * out[e]
        head_forward(h, into[:0], shift, out[embedding:], constant, alpha, hidden, output)


@kernel
def _auxiliary_backward(net, t, d_output, h, message, w, alpha, hidden, g, d_message, d_h):
    """Gradients of the auxiliary head's parameters, of the message and of the representations; all are set.

    Args:
        net: the network.
        t: number of the task.
        d_output: gradient of what ``_auxiliary_forward`` added to (rows,).
        h: as given to it.
        message: likewise.
        w: likewise.
        alpha: likewise.
        hidden: as it left them; become their gradient.
        g: gradients, of which those of the head are set.
        d_message: (embedding,).
        d_h: (rows x width).
    """
    embedding = net.embedding
    into, _, out, _ = _head_at(net, net.auxiliary[t], embedding + h.shape[1], w)
    d_into, d_shift, d_out, end = _head_at(net, net.auxiliary[t], embedding + h.shape[1], g)
    if net.hidden > 0:
        g[end] = head_backward(
            d_output, h, into[embedding:], out, alpha, hidden, d_into[embedding:], d_shift, d_out, d_h
        )
        for e in range(embedding):
            total = w.dtype.type(0)
            for j in range(net.hidden):
                d_into[e, j] = message[e] * d_shift[j]
                total += into[e, j] * d_shift[j]
            d_message[e] = total
    else:
        d_end = head_backward(
            d_output, h, into[:0], out[embedding:], alpha, hidden, d_into[:0], d_shift, d_out[embedding:], d_h
        )
        g[end] = d_end
        for e in range(embedding):
            d_out[e] = d_end * message[e]
            d_message[e] = d_end * out[e]


@kernel
def _through(message, weight):
    """What a linear map (inputs x outputs) makes of a vector shorter than its inputs: the first ones."""
    made = np.zeros(weight.shape[1], weight.dtype)
    for e in range(len(message)):
        for j in range(weight.shape[1]):
            made[j] += message[e] * weight[e, j]
    return made


@kernel
def _losses(t, batch, rows, loss, weight, sigma, output, members, on, d_output):
    """Mean loss of a task, its plain loss, and the gradient of weight x mean loss by the outputs."""
    count, noise = len(output), rows.noise[t]
    if noise < 0:
        total = 0.0
        for i in range(count):
            value, slope = cross_entropy(np.float64(output[i]), rows.y[batch[members[i]], t])
            total += value
            d_output[i] = weight * slope / count
        on.losses[t] = total / count
        on.plain[t] += total
        return
    outputs, targets, weights, slopes = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    d_sigma = np.zeros(1)
    for i in range(count):
        row = batch[members[i]]
        outputs[i], targets[i], weights[i] = output[i], rows.y[row, t], rows.weights[row, t]
        error = outputs[i] - targets[i]
        on.plain[t] += error * error
    on.losses[t] = loss(outputs, targets, weights, sigma[noise], rows.mixtures[noise], slopes, d_sigma)
    on.d_sigma[t] = weight * d_sigma[0]
    for i in range(count):
        d_output[i] = weight * slopes[i]


@kernel
def share_of(on, t, coefficients, label_mean):
    """Factor of a task's mean loss in the loss of the step.

    Args:
        on: with the numbers of labels in the batch.
        t: number of the task.
        coefficients: static weights of the tasks' losses (tasks,).
        label_mean: whether losses are means over all labels of the batch, not over each task's.
    """
    return coefficients[t] * on.count[t] / on.count.sum() if label_mean else coefficients[t]


@kernel
def scatter(on, t, share, signal):
    """Add share x the gradients of a task's representations to those of the batch (rows x width)."""
    share_ = signal.dtype.type(share)
    for i in range(on.count[t]):
        place = on.members[t, i]
        for j in range(signal.shape[1]):
            signal[place, j] += share_ * on.d_h[t, i, j]


@kernel
def scale_heads(net, t, share, g):
    """Multiply the gradients of a task's heads; a share of 0 clears them, whatever they were."""
    factor = g.dtype.type(share)
    pieces = _pieces(net, t)
    for i in range(len(pieces)):
        piece = g[pieces[i, 1] : pieces[i, 1] + pieces[i, 0]]
        if factor == 0:
            piece[:] = factor
        else:
            piece *= factor


@kernel
def move_heads(net, t, source, target):
    """Move the numbers of a task's heads from one vector of gradients to another; zeros stay behind."""
    pieces = _pieces(net, t)
    for i in range(len(pieces)):
        for j in range(pieces[i, 1], pieces[i, 1] + pieces[i, 0]):
            target[j] = source[j]
            source[j] = 0


@kernel
def _pieces(net, t):
    """Sizes and places of the parameters of a task's heads (parts x 2)."""
    found = np.zeros((8, 2), np.int64)
    for a in range(1 if net.embedding == 0 else 2):
        places, width = (net.heads[t], net.width[-1]) if a == 0 else (net.auxiliary[t], net.width[-1] + net.embedding)
        sizes = (width * net.hidden, net.hidden, net.hidden if net.hidden > 0 else width, 1)
        for part in range(4):
            found[4 * a + part, 0] = sizes[part]
            found[4 * a + part, 1] = places[part]
    return found
