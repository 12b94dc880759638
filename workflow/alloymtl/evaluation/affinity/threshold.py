"""How a quantity depends on the overlap of tasks, and whether it does so with a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.ndimage import minimum_filter
from scipy.optimize import least_squares
from scipy.special import expit

CONSTANT, LINE, HYPERBOLA, RAISED = "constant", "line", "hyperbola", "raised hyperbola"
SIGMOID, STEP = "sigmoid", "step"

MARGIN = 2.0
"""AICc by which a transition has to be better than every smooth model (Burnham and Anderson, 2002, section 2.6)."""
RESAMPLES = 1000
HALF_RISE = (1e-3, 1e2)
"""Least and largest k of a hyperbola: all but a jump at 0, and all but a straight line."""
WIDTHS = (0.01, 1.0)
"""Least and largest s of a sigmoid in units of the range of x: all but a step, and all but a straight line."""
GRID_CENTRES, GRID_WIDTHS, GRID_HALF_RISES = 61, 13, 41
STARTS = 3
TRANSITION, MIDDLE = math.log(19), math.log(3)
"""Half the widths of a sigmoid's transition from 5 to 95 %, and from 25 to 75 %, in units of s."""
ROUNDING = 1e-9
"""Residuals below this share of the largest value are rounding, and no model fits better for having less of it."""
PRECISION = 1e-12

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A curve a + c f(x): linear in a and c, with a shape f that may have parameters of its own.

    ``parameters`` names a (where there is an ``intercept``), c (where there is a ``shape``) and those of f, in this
    order. ``shape`` takes x, shape (points,), and those of f, shape (candidates, number), and gives (candidates,
    points). ``grid`` gives, for x, the values of each parameter of f that the search starts from; the parameter then
    moves between the least and the largest, unless the model is ``discrete``. ``log`` says which move on a logarithmic
    scale.
    """

    name: str
    parameters: tuple[str, ...]
    transition: bool
    intercept: bool
    shape: Callable[[Values, Values], Values] | None = None
    grid: Callable[[Values], Sequence[Values]] = lambda x: ()
    log: tuple[bool, ...] = ()
    discrete: bool = False

    @property
    def count(self) -> int:
        """Number of parameters with the variance of the residuals, and a step's change point, among them."""
        return len(self.parameters) + 1


@dataclass(frozen=True)
class Fit:
    """A model fitted by least squares.

    ``parameters`` by name, ``rss`` the residual sum of squares, ``r2`` = 1 - rss / (sum of squares about the mean), NaN
    where y does not vary. ``weight`` is Akaike's, the relative likelihood among all models. A model that the points are
    too few for is not ``fitted``: its parameters and ``rss`` are NaN, ``aicc`` is infinite, ``weight`` 0.
    """

    model: str
    parameters: Mapping[str, float]
    rss: float
    r2: float
    aicc: float
    weight: float
    n: int

    @property
    def fitted(self) -> bool:
        """Whether there is a fit."""
        return math.isfinite(self.rss)


@dataclass(frozen=True)
class Threshold:
    """Whether there is a threshold, where, and why.

    ``transition`` and ``smooth`` are the best model of each sort, ``better`` the better of the two, and ``margin`` the
    AICc of the smooth one minus that of the other: positive where the transition is better. ``x0`` is NaN where AICc
    does not support a transition; ``low`` and ``high`` are also NaN where its middle is not seen or the seeds allow no
    interval. ``reason`` says why, in words for a reader.
    """

    found: bool
    x0: float
    low: float
    high: float
    transition: str
    smooth: str
    better: str
    margin: float
    reason: str


def _logistic(x: Values, own: Values) -> Values:
    return expit((x[None] - own[:, :1]) / own[:, 1:])


def _saturating(x: Values, own: Values) -> Values:
    return x[None] / (x[None] + own)


def _half_rises(x: Values) -> Sequence[Values]:
    return (np.geomspace(*HALF_RISE, GRID_HALF_RISES),)


def _centres_and_widths(x: Values) -> Sequence[Values]:
    span = x[-1] - x[0]
    return np.linspace(x[0], x[-1], GRID_CENTRES), np.geomspace(*WIDTHS, GRID_WIDTHS) * span


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(CONSTANT, ("a",), transition=False, intercept=True),
        Model(LINE, ("a", "b"), transition=False, intercept=True, shape=lambda x, own: x[None]),
        Model(
            HYPERBOLA,
            ("c", "k"),
            transition=False,
            intercept=False,
            shape=_saturating,
            grid=_half_rises,
            log=(True,),
        ),
        Model(
            RAISED,
            ("a", "c", "k"),
            transition=False,
            intercept=True,
            shape=_saturating,
            grid=_half_rises,
            log=(True,),
        ),
        Model(
            SIGMOID,
            ("b", "L", "x0", "s"),
            transition=True,
            intercept=True,
            shape=_logistic,
            grid=_centres_and_widths,
            log=(False, True),
        ),
        Model(
            STEP,
            ("b", "L", "x0"),
            transition=True,
            intercept=True,
            shape=lambda x, own: (x[None] > own).astype(float),
            grid=lambda x: ((x[:-1] + x[1:]) / 2,),
            discrete=True,
        ),
    )
}


def fits(x: ArrayLike, y: ArrayLike) -> dict[str, Fit]:
    """Every model fitted to all points by least squares, with AICc, by name in the order of ``MODELS``.

    - ``constant``: y = a
    - ``line``: y = a + b x
    - ``hyperbola``: y = c x / (x + k), k > 0; the form of a signal beside noise: nothing at 0, half of c at k
    - ``raised hyperbola``: y = a + c x / (x + k), k > 0. Without it a curve that saturates, but does not begin at 0,
      would have no smooth model, and pass for a transition
    - ``sigmoid``: y = b + L / (1 + exp(-(x - x0) / s)), x0 within the range of x, s within ``WIDTHS`` times that range
    - ``step``: y = b up to x0, b + L beyond; x0 lies half way between two neighbouring x, which is all that is known

    AICc = n ln(rss / n) + 2 k + 2 k (k + 1) / (n - k - 1) (Hurvich and Tsai, Biometrika 76, 297, 1989), with k the
    number of parameters and the variance of the residuals; a step's change point counts as one. It takes residuals as
    independent. What all points of a run have in common is residual to every model alike, and makes it harder for each
    to be better; runs that differ in shape make it too easy.

    a and c (b and L) are linear and solved for, the others are searched from the best local minima of a grid
    (``scipy.optimize.least_squares``): the same points give the same fit.

    Args:
        x: overlap, 0 to 1, shape (n,); points of several runs may share a value.
        y: shape (n,).

    Raises:
        ValueError: no points, unequal shapes, a value that is not finite, or an x outside 0 to 1.
    """
    points, values = _points(x, y)
    n, scale = points.size, max(float(np.abs(values).max()), np.finfo(float).tiny)
    least = n * (ROUNDING * scale) ** 2
    about_mean = float(((values - values.mean()) ** 2).sum())
    made = {}
    for name, model in MODELS.items():
        if len(np.unique(points)) < len(model.parameters) or n - model.count - 1 <= 0:
            made[name] = Fit(name, dict.fromkeys(model.parameters, math.nan), math.nan, math.nan, math.inf, 0.0, n)
            continue
        parameters = _fitted(model, points, values, np.ones(n))
        rss = float(((values - _curve(model, parameters, points)) ** 2).sum())
        r2 = 1 - rss / about_mean if about_mean > least else math.nan
        named = dict(zip(model.parameters, parameters, strict=True))
        made[name] = Fit(name, named, rss, r2, aicc(max(rss, least), n, model.count), 0.0, n)
    return _weighted(made)


def aicc(rss: float, n: int, k: int) -> float:
    """Akaike's information criterion of a least-squares fit, corrected for few points; see ``fits``.

    Args:
        rss: residual sum of squares, positive.
        n: number of points, above k + 1.
        k: number of parameters, the variance among them.
    """
    return n * math.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def curve(fit: Fit, x: ArrayLike) -> Values:
    """A fitted model at some x, shape (n,); NaN where it is not fitted."""
    model = MODELS[fit.model]
    return _curve(model, [fit.parameters[name] for name in model.parameters], np.asarray(x, dtype=float))


def threshold(
    x: ArrayLike,
    y: ArrayLike,
    seeds: ArrayLike,
    rng: np.random.Generator,
    alpha: float,
    margin: float = MARGIN,
    resamples: int = RESAMPLES,
) -> Threshold:
    """Whether y changes over from one level to another at some x0, and an interval of x0.

    There is a threshold where all of this holds; ``reason`` says what does not.

    1. The AICc of the sigmoid or of the step is lower than that of each smooth model (constant, line, both hyperbolas)
       by ``margin``. The better of the two gives x0.
    2. The middle half of the transition, 25 to 75 %, lies within the range of x. A sigmoid of which less is seen is a
       curve that bends one way, to which none of the smooth models is close enough.
    3. It has an interval of coverage 1 - ``alpha``, and this is not the whole range of x.

    The interval is from a bootstrap: seeds are drawn with replacement, each with its points at all x, and the model is
    fitted again. Where no x lies within a transition (a step, or a sigmoid whose 5 to 95 % fall between two neighbours)
    the points say no more of x0 than its two neighbours: these then stand for x0 in the lower and the upper end. A draw
    in which too few x are left for the model stands for the whole range. The ends are percentiles, with the tails
    widened for few seeds (Hesterberg, Am. Stat. 69, 371, 2015, as in ``balancing.correlation.interval``); seeds that
    are too few for such tails allow none.

    Args:
        x: overlap, 0 to 1, shape (n,).
        y: shape (n,).
        seeds: what tells the seed of each point, shape (n,).
        rng: draws the seeds.
        alpha: 1 - coverage of the interval.
        margin: see above.
        resamples: number of draws.

    Raises:
        ValueError: as ``fits``; a seed for each point is missing; alpha is not in (0, 1); or there are no draws.
    """
    points, values = _points(x, y)
    labels = np.asarray(seeds)
    if labels.shape != points.shape:
        raise ValueError(f"each point has a seed: {points.shape} points, {labels.shape} seeds")
    if not 0 < alpha < 1 or resamples < 1:
        raise ValueError(f"an interval needs alpha between 0 and 1 and a draw, not {alpha} and {resamples}")
    of_sort: dict[bool, list[Fit]] = {True: [], False: []}
    for fit in fits(points, values).values():
        of_sort[MODELS[fit.model].transition].append(fit)
    transition, smooth = (min(of_sort[sort], key=lambda fit: fit.aicc) for sort in (True, False))
    by = smooth.aicc - transition.aicc if transition.fitted else -math.inf
    better = transition if by > 0 else smooth
    none = Threshold(False, math.nan, math.nan, math.nan, transition.model, smooth.model, better.model, by, "")
    if not transition.fitted:
        n_values = len(np.unique(points))
        return replace(none, reason=f"{points.size} points at {n_values} values of x are too few to fit a transition")
    said = f"the {better.model} is better than the {(smooth if by > 0 else transition).model} by"
    if by <= 0:
        return replace(none, reason=f"{said} {-by:.1f} in AICc")
    if by < margin:
        return replace(none, reason=f"{said} only {by:.1f} in AICc, less than {margin:g}")
    said += f" {by:.1f} in AICc"
    x0, quarter = transition.parameters["x0"], MIDDLE * transition.parameters.get("s", 0.0)
    lowest, highest = float(points.min()), float(points.max())
    if x0 - quarter < lowest or x0 + quarter > highest:
        return replace(
            none, x0=x0, reason=f"{said}, but the middle half of its transition is not within the range of x"
        )
    of_seeds = np.unique(labels, return_inverse=True)[1]
    low, high = _interval(MODELS[transition.model], points, values, of_seeds, rng, alpha, resamples)
    if math.isnan(low):
        return replace(none, x0=x0, reason=f"{said}, but {of_seeds.max() + 1} seeds are too few for an interval")
    placed = replace(none, x0=x0, low=low, high=high)
    if low <= lowest and high >= highest:
        return replace(placed, reason=f"{said}, but the interval of its centre is the whole range of x")
    return replace(placed, found=True, reason=said)


def _interval(
    model: Model, x: Values, y: Values, seeds: NDArray[np.int64], rng: np.random.Generator, alpha: float, resamples: int
) -> tuple[float, float]:
    """Interval of x0 over seeds, numbered from 0; NaN where these are too few."""
    n = int(seeds.max()) + 1
    tail = _tail(n, alpha)
    if math.isnan(tail):
        return math.nan, math.nan
    spans = np.empty((resamples, 2))
    for row in spans:
        times = np.bincount(rng.integers(n, size=n), minlength=n)[seeds]
        row[:] = _span(model, x[times > 0], y[times > 0], times[times > 0].astype(float))
        if math.isnan(row[0]):
            row[:] = x.min(), x.max()
    return float(np.quantile(spans[:, 0], tail)), float(np.quantile(spans[:, 1], 1 - tail))


def _tail(n: int, alpha: float) -> float:
    """Share of draws beyond each end; NaN where the rarest draw of n seeds, one of them each time, is no rarer."""
    if n < 2:
        return math.nan
    student = float(stats.t.ppf(1 - alpha / 2, n - 1))
    tail = float(stats.norm.sf(student * math.sqrt(n / (n - 1))))
    return tail if float(n) ** -n < tail else math.nan


def _span(model: Model, x: Values, y: Values, weights: Values) -> tuple[float, float]:
    """Between which two numbers the points place x0: the estimate itself, or the neighbours it lies between."""
    levels = np.unique(x)
    if len(levels) < len(model.parameters):
        return math.nan, math.nan
    named = dict(zip(model.parameters, _fitted(model, x, y, weights, starts=1), strict=True))
    x0 = named["x0"]
    if np.any(np.abs(levels - x0) < TRANSITION * named.get("s", 0.0)):
        return x0, x0
    return float(levels[levels <= x0].max()), float(levels[levels >= x0].min())


def _fitted(model: Model, x: Values, y: Values, weights: Values, starts: int = STARTS) -> list[float]:
    """Parameters of least weighted squares, in the order of their names."""
    # Points of one x count by their mean; how they differ is residual to every curve alike.
    levels, of_level = np.unique(x, return_inverse=True)
    w = np.bincount(of_level, weights)
    mean = np.bincount(of_level, weights * y) / w
    if model.shape is None:
        return [float((w * mean).sum() / w.sum())]
    axes = model.grid(levels)
    own = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1) if axes else np.empty((1, 0))
    linear, rss = _solved(model, levels, mean, w, own)
    best = int(np.argmin(rss))
    if axes and not model.discrete:
        scales = np.array(model.log)

        def residuals(moved: Values) -> Values:
            given = np.where(scales, np.exp(moved), moved)[None]
            solved = _solved(model, levels, mean, w, given)[0]
            return np.sqrt(w) * (mean - solved[0, 0] - solved[0, 1] * model.shape(levels, given)[0])

        found = []
        bounds = [np.array([a[end] for a in axes]) for end in (0, -1)]
        bounds = [np.where(scales, np.log(np.where(scales, b, 1)), b) for b in bounds]
        for start in _starts(rss.reshape([len(a) for a in axes]))[:starts]:
            at = np.where(scales, np.log(np.where(scales, own[start], 1)), own[start])
            search = least_squares(
                residuals, np.clip(at, *bounds), bounds=bounds, xtol=PRECISION, ftol=PRECISION, gtol=PRECISION
            )
            found.append(np.where(scales, np.exp(search.x), search.x))
        own = np.stack([own[best], *found])
        linear, rss = _solved(model, levels, mean, w, own)
        best = int(np.argmin(rss))
    a, c = (float(v) for v in linear[best])
    return [*([a] if model.intercept else []), c, *(float(v) for v in own[best])]


def _starts(rss: Values) -> list[int]:
    """Places of the local minima of a grid, best first."""
    minima = np.flatnonzero((rss == minimum_filter(rss, size=3, mode="nearest")).ravel())
    return [int(n) for n in minima[np.argsort(rss.ravel()[minima], kind="stable")]]


def _solved(model: Model, x: Values, y: Values, w: Values, own: Values) -> tuple[Values, Values]:
    """Best a and c, shape (candidates, 2), and residual sum of squares, (candidates,), given the shape's parameters."""
    f = model.shape(x, own)
    f = np.broadcast_to(f, (len(own), x.size))
    f_mean = (w * f).sum(axis=1, keepdims=True) / w.sum() if model.intercept else np.zeros((len(own), 1))
    y_mean = float((w * y).sum() / w.sum()) if model.intercept else 0.0
    of_f, of_y = f - f_mean, y - y_mean
    squares = (w * of_f * of_f).sum(axis=1)
    flat = squares <= 0
    c = np.where(flat, 0, (w * of_f * of_y).sum(axis=1) / np.where(flat, 1, squares))
    a = y_mean - c * f_mean[:, 0]
    return np.stack([a, c], axis=1), (w * (of_y - c[:, None] * of_f) ** 2).sum(axis=1)


def _curve(model: Model, parameters: Sequence[float], x: Values) -> Values:
    a, *rest = parameters if model.intercept else (0.0, *parameters)
    if model.shape is None:
        return np.full_like(x, a)
    c, *own = rest
    return a + c * model.shape(x, np.array([own], dtype=float))[0]


def _weighted(made: Mapping[str, Fit]) -> dict[str, Fit]:
    """The same fits with Akaike's weights: exp(-d / 2) over their sum, d the AICc above the lowest."""
    lowest = min(fit.aicc for fit in made.values())
    likelihood = {name: math.exp((lowest - fit.aicc) / 2) if fit.fitted else 0.0 for name, fit in made.items()}
    total = sum(likelihood.values()) or 1.0
    return {name: replace(fit, weight=likelihood[name] / total) for name, fit in made.items()}


def _points(x: ArrayLike, y: ArrayLike) -> tuple[Values, Values]:
    """Both as float64 vectors of one length, of numbers, x between 0 and 1."""
    points, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if points.ndim != 1 or points.shape != values.shape or not points.size:
        raise ValueError(f"points are two vectors of one length, not {points.shape} and {values.shape}")
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise ValueError("a fit takes finite values only")
    if points.min() < 0 or points.max() > 1:
        raise ValueError(f"overlap lies between 0 and 1, not {points.min():g} to {points.max():g}")
    return points, values
