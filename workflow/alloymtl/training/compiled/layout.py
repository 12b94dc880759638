"""Where each parameter of a network lies: all of them side by side in one vector, running statistics in another.

Names, shapes and order are those of the reference engine's networks, so that one engine can take the other's parameters
and both draw the same numbers at the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from alloymtl.training.initial import draw


class Net(NamedTuple):
    """A network as the kernels see it; offsets are places in the vector of parameters or of statistics.

    Attributes:
        n_tasks: number of heads.
        n_backbones: 1, or one for each task.
        hidden: hidden units of a head, 0 for a linear one.
        embedding: width of the task graph's nodes, 0 without a graph.
        width: features and width of each layer (layers + 1,).
        before: units of all layers in front of a layer (layers + 1,).
        weight: of the linear maps (backbones x layers).
        scale: of batch normalisation (backbones x layers).
        shift: of batch normalisation (backbones x layers).
        mean: running mean, in the statistics (backbones x layers).
        variance: running variance, in the statistics (backbones x layers).
        heads: weight in, bias in, weight out, bias out of each head (tasks x 4).
        auxiliary: the same of the heads that the graph feeds (tasks x 4), or of none (0 x 4).
        graph: embedding; weight and bias of the edge predictor's two maps and of the two convolutions; end (10,).
    """

    n_tasks: int
    n_backbones: int
    hidden: int
    embedding: int
    width: np.ndarray
    before: np.ndarray
    weight: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    heads: np.ndarray
    auxiliary: np.ndarray
    graph: np.ndarray


@dataclass
class Layout:
    """Names and places of parameters and running statistics.

    Attributes:
        parameters: shape of each parameter by name, in order.
        statistics: shape of each running statistic by name.
        draws: how each parameter that is drawn begins, ``{"fan_in": n}`` or ``{"sd": s}``; the others are 1 for scales
            and 0 for shifts.
        starts: place of each of them in its vector.
    """

    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    statistics: dict[str, tuple[int, ...]] = field(default_factory=dict)
    draws: dict[str, dict[str, float]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, shape: tuple[int, ...], **drawn: float) -> None:
        """Append a parameter."""
        self.starts[name] = self.size
        self.parameters[name] = shape
        if drawn:
            self.draws[name] = drawn

    def add_statistic(self, name: str, shape: tuple[int, ...]) -> None:
        """Append a running statistic."""
        self.starts[name] = self.statistics_size
        self.statistics[name] = shape

    @property
    def size(self) -> int:
        """Numbers in the vector of parameters."""
        return sum(map(prod, self.parameters.values()))

    @property
    def statistics_size(self) -> int:
        """Numbers in the vector of running statistics."""
        return sum(map(prod, self.statistics.values()))

    def initial(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Parameters and statistics to start from, as vectors in float64."""
        w, statistics = np.zeros(self.size), np.zeros(self.statistics_size)
        for name, shape in self.parameters.items():
            part = w[self.starts[name] :][: prod(shape)]
            if name in self.draws:
                part[:] = draw(shape, rng, **self.draws[name]).ravel()
            elif name.endswith("weight"):  # the scale of a normalisation
                part[:] = 1.0
        for name, shape in self.statistics.items():
            if name.endswith("var"):
                statistics[self.starts[name] :][: prod(shape)] = 1.0
        return w, statistics

    def views(self, w: np.ndarray, statistics: np.ndarray) -> dict[str, np.ndarray]:
        """Each parameter and statistic by name, in its shape, as a view into the vectors."""
        found = {name: w[self.starts[name] :][: prod(s)].reshape(s) for name, s in self.parameters.items()}
        for name, shape in self.statistics.items():
            found[name] = statistics[self.starts[name] :][: prod(shape)].reshape(shape)
        return found


def _add_norms(layout: Layout, prefix: str, widths: Sequence[int]) -> None:
    for layer, width in enumerate(widths):
        layout.add(f"{prefix}.norm.{layer}.weight", (width,))
        layout.add(f"{prefix}.norm.{layer}.bias", (width,))
        layout.add_statistic(f"{prefix}.norm.{layer}.running_mean", (width,))
        layout.add_statistic(f"{prefix}.norm.{layer}.running_var", (width,))


def _add_heads(layout: Layout, prefix: str, n_tasks: int, width: int, hidden: int) -> None:
    if hidden:
        layout.add(f"{prefix}.weight_in", (n_tasks, width, hidden), fan_in=width)
        layout.add(f"{prefix}.bias_in", (n_tasks, 1, hidden), fan_in=width)
    last = hidden or width
    layout.add(f"{prefix}.weight_out", (n_tasks, last, 1), fan_in=last)
    layout.add(f"{prefix}.bias_out", (n_tasks, 1, 1), fan_in=last)


def _add_graph(layout: Layout, n_tasks: int, width: int) -> None:
    layout.add("graph.embedding", (n_tasks, width), sd=1.0)
    for name, rows, columns in (
        ("edge.0", width, 2 * width),
        ("edge.2", 1, width),
        ("convolution.0", width, width),
        ("convolution.1", width, width),
    ):
        layout.add(f"graph.{name}.weight", (rows, columns), fan_in=columns)
        layout.add(f"graph.{name}.bias", (rows,), fan_in=columns)


def _heads_at(layout: Layout, prefix: str, n_tasks: int) -> np.ndarray:
    """Places of the parts of each head (tasks x 4)."""
    places = np.zeros((n_tasks, 4), np.int64)
    for column, part in enumerate(("weight_in", "bias_in", "weight_out", "bias_out")):
        name = f"{prefix}.{part}"
        if name in layout.starts:
            each = prod(layout.parameters[name][1:])
            places[:, column] = layout.starts[name] + each * np.arange(n_tasks)
    return places


def plan(
    form: str, n_features: int, n_tasks: int, training: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[Layout, Net]:
    """The layout of a network, and the network as the kernels see it.

    Args:
        form: ``shared``, ``soft`` or ``structured``.
        n_features: number of features.
        n_tasks: number of tasks.
        training: ``hidden``.
        options: of the architecture: ``head``, and ``embedding`` for a structured network.
    """
    widths, hidden = list(training["hidden"]), options["head"]
    embedding = options["embedding"] if form == "structured" else 0
    n_backbones = n_tasks if form == "soft" else 1
    prefix = "backbones" if form == "soft" else "backbone"
    sizes = [n_features, *widths]
    layout = Layout()
    for layer, (size_in, size_out) in enumerate(pairwise(sizes)):
        if form == "soft":
            layout.add(f"{prefix}.weight.{layer}", (n_tasks, size_out, size_in), fan_in=size_in)
        else:
            layout.add(f"{prefix}.linear.{layer}.weight", (size_out, size_in), fan_in=size_in)
    _add_norms(layout, prefix, [n_backbones * width for width in widths])
    _add_heads(layout, "heads", n_tasks, widths[-1], hidden)
    if embedding:
        _add_graph(layout, n_tasks, embedding)
        _add_heads(layout, "auxiliary", n_tasks, embedding + widths[-1], hidden)

    def of_layers(name: str, each: Sequence[int]) -> np.ndarray:
        """Places of a part of each backbone's layers (backbones x layers)."""
        starts = np.array([layout.starts[name.format(layer)] for layer in range(len(widths))], np.int64)
        return starts + np.arange(n_backbones)[:, None] * np.asarray(each, np.int64)

    weight = f"{prefix}.weight.{{}}" if form == "soft" else f"{prefix}.linear.{{}}.weight"
    graph = [layout.starts[name] for name in layout.parameters if name.startswith("graph.")]
    if embedding:
        graph.append(layout.starts["graph.convolution.1.bias"] + embedding)
    net = Net(
        n_tasks=n_tasks,
        n_backbones=n_backbones,
        hidden=hidden,
        embedding=embedding,
        width=np.array(sizes, np.int64),
        before=np.cumsum([0, *widths]),
        weight=of_layers(weight, [a * b for a, b in pairwise(sizes)]),
        scale=of_layers(f"{prefix}.norm.{{}}.weight", widths),
        shift=of_layers(f"{prefix}.norm.{{}}.bias", widths),
        mean=of_layers(f"{prefix}.norm.{{}}.running_mean", widths),
        variance=of_layers(f"{prefix}.norm.{{}}.running_var", widths),
        heads=_heads_at(layout, "heads", n_tasks),
        auxiliary=_heads_at(layout, "auxiliary", n_tasks if embedding else 0),
        graph=np.array(graph or [0] * 10, np.int64),
    )
    return layout, net


def without_backbone(layout: Layout, net: Net) -> tuple[Net, int]:
    """The same heads on a representation that does not change: a network without layers, an input for each unit.

    Returns:
        The network, and the place in the vector of all parameters where its own begin.
    """
    first = min(start for name, start in layout.starts.items() if name.startswith("heads."))
    none = np.zeros((1, 0), np.int64)
    heads = np.maximum(net.heads - first, 0)  # the places of parts that there are not stay at 0
    rest = {
        "before": np.zeros(1, np.int64),
        "weight": none,
        "scale": none,
        "shift": none,
        "mean": none,
        "variance": none,
    }
    return net._replace(width=net.width[-1:], heads=heads, **rest), first
