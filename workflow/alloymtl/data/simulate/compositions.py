"""Which alloys are made, and how: sputtered films, cast series, melt-spun ribbons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from alloymtl.data.simulate.elements import SYMBOLS, constant
from alloymtl.data.simulate.overlap import apply_overlap, common_rows
from alloymtl.data.simulate.samples import Samples, round_to_print
from alloymtl.data.simulate.settings import COMPOSITION, PROPERTIES, Settings
from alloymtl.errors import UserError

ELEMENTS = len(SYMBOLS)

# Films: co-sputtered on wafers of 100 mm, read every 5 mm up to 5 mm from the edge.
WAFER_RADIUS, WAFER_PITCH = 45.0, 5.0  # mm
FILM_SYSTEMS, FILM_SIZES, FILM_SHARES = 60, (2, 3), (0.25, 0.75)
FILM_SURPLUS = 1.05  # contacts that fail are dropped from this many
WAFER_EVENNESS = 3.0  # Dirichlet concentration of the systems' shares of wafers
TARGET_POWER_SD, FLUX_SLOPE = 0.7, (0.6, 1.5)
EDS_NOISE = 0.003  # relative error of the composition reading

# Bulk: series of cast alloys, a base with one further element in steps.
BULK_SURPLUS = 1.3
BASE_SIZES, BASE_SHARES = (3, 4, 5), (0.2, 0.5, 0.3)
REFRACTORY_SHARE = 0.2
BASE_RATIOS = (1, 1, 1, 1, 0.5, 0.75, 1.5, 2)
STEPS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0, 1.2, 1.25, 1.5, 1.75, 2.0)
SERIES_LENGTH = (5, 11)
FAVOURED, FAVOUR = ("Al", "Ti"), 4.0

# Ribbons: clusters of nominal compositions around a few centres, on a grid of 0.5 at.%.
RIBBON_SURPLUS = 1.4
GLASS_SYSTEMS, GLASS_SIZES, GLASS_SHARES = 90, (2, 3, 4), (0.2, 0.6, 0.2)
CENTRE_EVENNESS = 1.2
CLUSTER_LENGTH = (3, 11)
CLUSTER_SD, CLUSTER_LEAST = 0.08, 0.01
GRID = 200  # steps to the whole


def compositions(settings: Settings) -> dict[str, Samples]:
    """The samples of every task, with the overlap that the settings ask for.

    With ``pool: own`` each task has its own kind of sample, hence a covariate shift between tasks, and scarce tasks
    choose first (among equals in the order of ``rows``); otherwise all tasks draw their rows at random from one pool.

    Raises:
        UserError: more rows than there are distinct compositions, or an overlap that does not fit.
    """
    common_rows(settings)  # an overlap that cannot fit is said before anything is made
    return apply_overlap(_own_pools(settings) if settings.pool == "own" else _common_pool(settings), settings)


def _own_pools(settings: Settings) -> dict[str, Samples]:
    samples: dict[str, Samples] = {}
    taken = np.empty((0, ELEMENTS), np.int64)
    for task, n in sorted(settings.rows.items(), key=lambda item: item[1]):
        rng = settings.stream(COMPOSITION, task)
        samples[task] = _distinct(rng, PROPERTIES[task].sample, n, taken, f"simulation.rows.{task}")
        taken = np.concatenate([taken, samples[task].printed])
    return samples


def _common_pool(settings: Settings) -> dict[str, Samples]:
    rng = settings.stream(COMPOSITION)
    counts = list(settings.rows.values())
    pool = _distinct(rng, settings.pool, sum(counts), np.empty((0, ELEMENTS), np.int64), "simulation.rows")
    allotted = np.split(rng.permutation(len(pool)), np.cumsum(counts)[:-1])
    return {task: pool.take(np.sort(rows)) for task, rows in zip(settings.rows, allotted, strict=True)}


def _distinct(rng: np.random.Generator, kind: str, n: int, taken: np.ndarray, where: str) -> Samples:
    """n random samples of a kind whose printed compositions differ from each other and from those taken."""
    made = SAMPLERS[kind](rng, n)
    repeated = pd.DataFrame(np.concatenate([taken, made.printed])).duplicated().to_numpy()[len(taken) :]
    usable = np.flatnonzero(~repeated)
    if len(usable) < n:
        raise UserError(
            where,
            f"{n} rows asked for, and {kind} samples give only {len(usable)} distinct compositions.",
            "ask for fewer rows, or set another simulation.seed or simulation.pool.",
        )
    return made.take(np.sort(rng.choice(usable, n, replace=False)))


def chemical_systems(
    rng: np.random.Generator, count: int, sizes: Sequence[int], shares: Sequence[float], weights: np.ndarray
) -> list[list[int]]:
    """Distinct sets of elements (indices, ascending): sizes by their shares, elements by their weights."""
    found: list[list[int]] = []
    while len(found) < count:
        size = rng.choice(sizes, p=shares)
        members = sorted(rng.choice(ELEMENTS, size, replace=False, p=weights / weights.sum()).tolist())
        if members not in found:
            found.append(members)
    return found


def wafer_points() -> np.ndarray:
    """Measuring positions on a wafer in mm, shape (253, 2), row by row."""
    ticks = np.arange(-WAFER_RADIUS, WAFER_RADIUS + 1, WAFER_PITCH)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(ticks, ticks)], axis=1)
    return grid[(grid**2).sum(axis=1) <= WAFER_RADIUS**2]


def wafer_fractions(rng: np.random.Generator, targets: int, points: np.ndarray) -> np.ndarray:
    """Atomic fractions at the points of a wafer between targets evenly around its rim, shape (points, targets).

    flux_k = exp(p_k + s_k (r . u_k)/45 mm), power p ~ N(0, 0.7), slope s ~ U(0.6, 1.5), direction u_k at random.
    """
    angle = 2 * np.pi * (np.arange(targets) / targets + rng.uniform())
    slope = rng.uniform(*FLUX_SLOPE, targets)
    power = rng.normal(0, TARGET_POWER_SD, targets)
    towards = points @ np.stack([np.cos(angle), np.sin(angle)])
    flux = np.exp(power + slope * towards / WAFER_RADIUS)
    return flux / flux.sum(axis=1, keepdims=True)


def film(rng: np.random.Generator, n: int) -> Samples:
    """A little over n points of co-sputtered binary and ternary films, whole wafers at a time.

    Each system has a wafer at least, while there are wafers enough. The property follows the true composition, the file
    shows a reading by EDS.
    """
    points = wafer_points()
    systems = chemical_systems(rng, FILM_SYSTEMS, FILM_SIZES, FILM_SHARES, constant("w_film"))
    wafers = int(np.ceil(n * FILM_SURPLUS / len(points)))
    share = rng.dirichlet(np.full(len(systems), WAFER_EVENNESS))
    further = rng.choice(len(systems), max(0, wafers - len(systems)), p=share)
    system_of_wafer = np.concatenate([np.arange(len(systems)), further])[:wafers]
    true = np.zeros((wafers, len(points), ELEMENTS))
    for wafer, system in enumerate(system_of_wafer):
        members = systems[system]
        true[wafer][:, members] = wafer_fractions(rng, len(members), points)
    true = true.reshape(-1, ELEMENTS)
    reading = np.maximum(true * (1 + rng.normal(0, EDS_NOISE, true.shape)), 0)
    lot = np.repeat(np.arange(wafers), len(points))
    return Samples(lot, true, round_to_print(reading), np.tile(points, (wafers, 1)))


def bulk(rng: np.random.Generator, n: int) -> Samples:
    """A surplus over n cast high-entropy alloys of four to six components, in series of one varied element."""
    amounts, lots, series = [], [], 0
    while len(amounts) < n * BULK_SURPLUS:
        weights = constant("w_refractory" if rng.uniform() < REFRACTORY_SHARE else "w_hea")
        size = rng.choice(BASE_SIZES, p=BASE_SHARES)
        base = rng.choice(ELEMENTS, size, replace=False, p=weights / weights.sum())
        chance = weights * np.where(np.isin(SYMBOLS, FAVOURED), FAVOUR, 1.0)
        chance[base] = 0
        varied = rng.choice(ELEMENTS, p=chance / chance.sum())
        alloy = np.zeros(ELEMENTS)
        alloy[base] = rng.choice(BASE_RATIOS, size)
        length = rng.integers(*SERIES_LENGTH, endpoint=True)
        for amount in rng.choice(STEPS, length, replace=False):
            alloy[varied] = amount
            amounts.append(alloy.copy())
            lots.append(series)
        series += 1
    return _nominal(amounts, lots)


def ribbon(rng: np.random.Generator, n: int) -> Samples:
    """A surplus over n melt-spun ribbons of two to four components, in clusters within chemical systems."""
    systems = chemical_systems(rng, GLASS_SYSTEMS, GLASS_SIZES, GLASS_SHARES, constant("w_glass"))
    amounts, lots = [], []
    while len(amounts) < n * RIBBON_SURPLUS:
        system = rng.integers(len(systems))
        members = systems[system]
        centre = rng.dirichlet(np.full(len(members), CENTRE_EVENNESS))
        for _ in range(rng.integers(*CLUSTER_LENGTH, endpoint=True)):
            near = np.maximum(centre + rng.normal(0, CLUSTER_SD, len(members)), CLUSTER_LEAST)
            alloy = np.zeros(ELEMENTS)
            alloy[members] = np.maximum(np.rint(near / near.sum() * GRID), 1)
            amounts.append(alloy)
            lots.append(system)
    return _nominal(amounts, lots)


def _nominal(amounts: list[np.ndarray], lots: list[int]) -> Samples:
    """Samples that are what was weighed in."""
    weighed = np.array(amounts)
    return Samples(np.array(lots), weighed / weighed.sum(axis=1, keepdims=True), round_to_print(weighed))


SAMPLERS: dict[str, Callable[[np.random.Generator, int], Samples]] = {"film": film, "bulk": bulk, "ribbon": ribbon}
