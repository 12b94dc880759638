"""One task's gradient written out, on all parameters, and the task's loss at parameters other than the step's own."""

from __future__ import annotations

from alloymtl.training.compiled.jit import kernel
from alloymtl.training.compiled.kernels.backbone import backward, forward, gradients, output_of, signals_of
from alloymtl.training.compiled.kernels.graph import EMBEDDING, END, graph_backward, graph_forward
from alloymtl.training.compiled.kernels.tasks import run_task, scatter, share_of


@kernel
def gradient_of_task(
    net, t, n, batch, row, rows, loss, share, w, sigma, alpha, graph, calibration, dropout, kept, on, g
):
    """Gradient of share x the mean loss of a task that has labels in the batch, as the parameters lie.

    Sets what ``run_task`` sets of the task in ``on``, and in ``g`` the parameters of the backbone, of the graph and of
    the task's heads; the heads of others stay.

    Args:
        net: the network, with one backbone.
        t: number of the task.
        n: rows of the batch.
        batch: their numbers.
        row: where the batch begins in the epoch.
        rows: training rows.
        loss: loss of the regression tasks.
        share: factor of the mean loss.
        w: parameters.
        sigma: SD of the noise of the regression tasks.
        alpha: weight of the auxiliary heads.
        graph: as ``graph_forward`` left it for ``w``.
        calibration: smoothing of features.
        dropout: of the epoch.
        kept: as ``forward`` left it for ``w``; the signals change.
        on: which rows the batch holds of each task.
        g: gradients.
    """
    n_layers = len(net.width) - 1
    h = output_of(net, n_layers - 1, n, kept)
    on.d_messages[:] = 0.0
    run_task(net, t, batch, row, h, rows, loss, share, w, sigma, alpha, graph.messages, calibration, dropout, on, g)
    signal = signals_of(net, n_layers - 1, 0, 1, n, kept)
    signal[:] = 0.0
    scatter(on, t, 1.0, signal)
    backward(net, 0, n, w, 1, n_layers - 1, 0, dropout.in_backbone, dropout.factor, kept)
    gradients(net, 0, n, 0, kept, g)
    if net.embedding > 0:
        place, end = net.graph[EMBEDDING], net.graph[END]
        graph_backward(net, w, graph, on.d_messages, 0.0, 0.0, g[place:end])


@kernel
def joint_loss(
    net, n, batch, row, rows, loss, coefficients, label_mean, w, statistics, sigma, alpha, graph, calibration, dropout,
    kept, on, g,
):  # fmt: skip
    """Weighted sum of the tasks' losses of a batch at parameters ``w``; running statistics stay as they are.

    Args:
        net: the network.
        n: rows of the batch.
        batch: their numbers.
        row: where the batch begins in the epoch.
        rows: training rows.
        loss: loss of the regression tasks.
        coefficients: static weights of the tasks' losses (tasks,).
        label_mean: whether losses are means over all labels of the batch.
        w: parameters.
        statistics: running statistics.
        sigma: SD of the noise of the regression tasks.
        alpha: weight of the auxiliary heads.
        graph: filled.
        calibration: smoothing of features.
        dropout: of the epoch.
        kept: room; changed.
        on: which rows the batch holds of each task; what ``run_task`` sets changes.
        g: room for gradients, which nobody wants.
    """
    n_layers, total = len(net.width) - 1, 0.0
    if net.embedding > 0:
        graph_forward(net, w, graph)
    for k in range(net.n_backbones):
        forward(net, k, n, w, statistics, False, dropout.keep, row, dropout.in_backbone, dropout.factor, kept)
        h = output_of(net, n_layers - 1, n, kept) if n_layers > 0 else kept.x[:n]
        first, end = (0, net.n_tasks) if net.n_backbones == 1 else (k, k + 1)
        for t in range(first, end):
            if on.count[t] > 0:
                share = share_of(on, t, coefficients, label_mean)
                run_task(
                    net, t, batch, row, h, rows, loss, share, w, sigma, alpha, graph.messages, calibration, dropout,
                    on, g,
                )  # fmt: skip
                total += share * on.losses[t]
    return total
