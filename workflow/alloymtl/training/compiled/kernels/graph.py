"""The task relation graph in both directions (arXiv:2512.22740, equations 5 and 6).

Notation: e are the tasks' embeddings (tasks x width). A_ts = sigmoid(v . relu(R e_t + G e_s + b) + c) says how much
task t takes from task s. The adjacency N is A with a diagonal of ones, its rows divided by their sums. With the linear
maps f1 and f2 of the convolutions the nodes are N f2(relu(N f1(e))), and the message to t is the sum over s != t of
A_ts node_s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alloymtl.training.compiled.jit import kernel

EMBEDDING, EDGE, EDGE_BIAS, OUT, OUT_BIAS, FIRST, FIRST_BIAS, SECOND, SECOND_BIAS, END = range(10)
"""Places in ``Net.graph``: embeddings, the edge predictor's two maps, the convolutions' linear maps, the end."""


class Graph(NamedTuple):
    """What a pass through the graph leaves behind.

    Attributes:
        relations: A (tasks x tasks).
        edges: hidden units of the edge predictor (tasks x tasks x width).
        degrees: row sums of the adjacency before it is normalised (tasks,).
        adjacency: normalised (tasks x tasks).
        first: outputs of the first convolution's linear map (tasks x width).
        active: after propagation and ReLU (tasks x width).
        second: outputs of the second convolution's linear map (tasks x width).
        nodes: after propagation (tasks x width).
        messages: (tasks x width).
    """

    relations: np.ndarray
    edges: np.ndarray
    degrees: np.ndarray
    adjacency: np.ndarray
    first: np.ndarray
    active: np.ndarray
    second: np.ndarray
    nodes: np.ndarray
    messages: np.ndarray


@kernel
def graph_room(net, like):
    """An empty ``Graph`` in the precision of the array ``like``."""
    n, width, real = net.n_tasks, net.embedding, like.dtype
    square = (n, n)
    flat = (n, width)
    return Graph(
        np.empty(square, real),
        np.empty((n, n, width), real),
        np.empty(n, real),
        np.empty(square, real),
        np.empty(flat, real),
        np.empty(flat, real),
        np.empty(flat, real),
        np.empty(flat, real),
        np.empty(flat, real),
    )


@kernel
def _parameter(net, number, rows, columns, w):
    """One of the graph's parameters, or its gradient, as (rows x columns)."""
    start = net.graph[number]
    return w[start : start + rows * columns].reshape(rows, columns)


@kernel
def graph_forward(net, w, kept):
    """Relations and messages; fills ``kept``."""
    n, width = net.n_tasks, net.embedding
    real = w.dtype.type
    one, zero = real(1), real(0)
    e = _parameter(net, EMBEDDING, n, width, w)
    edge, edge_bias = _parameter(net, EDGE, width, 2 * width, w), _parameter(net, EDGE_BIAS, 1, width, w)[0]
    out, out_bias = _parameter(net, OUT, 1, width, w)[0], w[net.graph[OUT_BIAS]]
    from_receiver, from_giver = np.empty((n, width), w.dtype), np.empty((n, width), w.dtype)
    for t in range(n):
        for j in range(width):
            receives, gives = zero, edge_bias[j]
            of_receiver, of_giver = edge[j, :width], edge[j, width:]
            for i in range(width):
                receives += of_receiver[i] * e[t, i]
                gives += of_giver[i] * e[t, i]
            from_receiver[t, j] = receives
            from_giver[t, j] = gives
    for t in range(n):
        kept.degrees[t] = one
        for s in range(n):
            logit = out_bias
            for j in range(width):
                active = max(from_receiver[t, j] + from_giver[s, j], zero)
                kept.edges[t, s, j] = active
                logit += out[j] * active
            strength = one / (one + np.exp(-logit))
            kept.relations[t, s] = strength
            if s != t:
                kept.degrees[t] += strength
    for t in range(n):
        for s in range(n):
            kept.adjacency[t, s] = (one if s == t else kept.relations[t, s]) / kept.degrees[t]
    np.dot(e, _parameter(net, FIRST, width, width, w).T, kept.first)
    kept.first[:] += _parameter(net, FIRST_BIAS, 1, width, w)[0]
    np.dot(kept.adjacency, kept.first, kept.active)
    for t in range(n):
        for j in range(width):
            kept.active[t, j] = max(kept.active[t, j], zero)
    np.dot(kept.active, _parameter(net, SECOND, width, width, w).T, kept.second)
    kept.second[:] += _parameter(net, SECOND_BIAS, 1, width, w)[0]
    np.dot(kept.adjacency, kept.second, kept.nodes)
    kept.messages[:] = zero
    for t in range(n):
        for s in range(n):
            if s != t:
                for j in range(width):
                    kept.messages[t, j] += kept.relations[t, s] * kept.nodes[s, j]


@kernel
def graph_backward(net, w, kept, d_messages, sparse, self_, g):
    """Gradients of the graph's parameters; set.

    Args:
        net: the network.
        w: parameters.
        kept: as ``graph_forward`` left it.
        d_messages: gradient of the messages (tasks x width).
        sparse: lambda_sparse, weight of the sum of A in the loss (equation 6).
        self_: lambda_self, weight of the trace of A.
        g: gradients, as the graph's parameters lie: place 0 is that of the embedding.
    """
    n, width = net.n_tasks, net.embedding
    real = w.dtype.type
    one, zero = real(1), real(0)
    e = _parameter(net, EMBEDDING, n, width, w)
    base = net.graph[EMBEDDING]

    # Messages, then the second convolution, then the first.
    d_relations = np.empty((n, n), w.dtype)
    d_nodes = np.zeros((n, width), w.dtype)
    for t in range(n):
        for s in range(n):
            total = zero
            if s != t:
                strength = kept.relations[t, s]
                for j in range(width):
                    d_nodes[s, j] += strength * d_messages[t, j]
                    total += kept.nodes[s, j] * d_messages[t, j]
            d_relations[t, s] = total
    d_second, d_first, d_active = np.empty_like(d_nodes), np.empty_like(d_nodes), np.empty_like(d_nodes)
    d_adjacency, again = np.empty((n, n), w.dtype), np.empty((n, n), w.dtype)
    np.dot(kept.adjacency.T, d_nodes, d_second)
    np.dot(d_nodes, kept.second.T, d_adjacency)
    start = net.graph[SECOND] - base
    np.dot(d_second.T, kept.active, g[start : start + width * width].reshape(width, width))
    _column_sums(d_second, g[net.graph[SECOND_BIAS] - base : net.graph[SECOND_BIAS] - base + width])
    np.dot(d_second, _parameter(net, SECOND, width, width, w), d_active)
    for t in range(n):
        for j in range(width):
            d_active[t, j] = d_active[t, j] if kept.active[t, j] > zero else zero
    np.dot(kept.adjacency.T, d_active, d_first)
    np.dot(d_active, kept.first.T, again)
    start = net.graph[FIRST] - base
    np.dot(d_first.T, e, g[start : start + width * width].reshape(width, width))
    _column_sums(d_first, g[net.graph[FIRST_BIAS] - base : net.graph[FIRST_BIAS] - base + width])
    d_e = g[: n * width].reshape(n, width)
    np.dot(d_first, _parameter(net, FIRST, width, width, w), d_e)

    # The adjacency's rows were divided by their sums; then the edge predictor.
    edge, out = _parameter(net, EDGE, width, 2 * width, w), _parameter(net, OUT, 1, width, w)[0]
    d_out = g[net.graph[OUT] - base : net.graph[OUT] - base + width]
    d_receiver, d_giver = np.zeros((n, width), w.dtype), np.zeros((n, width), w.dtype)
    d_out[:] = zero
    d_out_bias = zero
    for t in range(n):
        mean = zero
        for s in range(n):
            d_adjacency[t, s] += again[t, s]
            mean += d_adjacency[t, s] * kept.adjacency[t, s]
        for s in range(n):
            strength = kept.relations[t, s]
            d = d_relations[t, s] + real(sparse)
            if s == t:
                d += real(self_)
            else:
                d += (d_adjacency[t, s] - mean) / kept.degrees[t]
            d *= strength * (one - strength)
            d_out_bias += d
            for j in range(width):
                active = kept.edges[t, s, j]
                d_out[j] += d * active
                slope = d * out[j] if active > zero else zero
                d_receiver[t, j] += slope
                d_giver[s, j] += slope
    g[net.graph[OUT_BIAS] - base] = d_out_bias
    d_edge = g[net.graph[EDGE] - base : net.graph[EDGE] - base + 2 * width * width].reshape(width, 2 * width)
    _column_sums(d_giver, g[net.graph[EDGE_BIAS] - base : net.graph[EDGE_BIAS] - base + width])
    d_edge[:] = zero
    for t in range(n):
        for j in range(width):
            receives, gives = d_receiver[t, j], d_giver[t, j]
            of_receiver, of_giver = edge[j, :width], edge[j, width:]
            d_of_receiver, d_of_giver = d_edge[j, :width], d_edge[j, width:]
            for i in range(width):
                d_of_receiver[i] += receives * e[t, i]
                d_of_giver[i] += gives * e[t, i]
                d_e[t, i] += receives * of_receiver[i] + gives * of_giver[i]


@kernel
def _column_sums(a, sums):
    """Sum over rows; set."""
    sums[:] = a.dtype.type(0)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            sums[j] += a[i, j]
