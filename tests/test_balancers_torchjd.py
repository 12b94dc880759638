"""Balancers beside torchjd 0.18 (Quinton and Rey 2024, arXiv:2406.16232), on drawn gradients and losses.

Rows are small integers times powers of two, so Gram matrices hold no rounding and a dependent row is exactly so; some
are zero, some tiny. The batch lacks some of the tasks: torchjd is asked about the others alone. Where its answer is not
the solution of the problem that it states, the comparison is the one that holds nevertheless, and says why.

The solvers behind its CAGrad and Nash-MTL are not among this project's packages: for these two the answers that torchjd
gave where they are stand in the oracle files.
"""

import itertools
import json
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls
from torchjd import aggregation, scalarization
from torchjd.linalg import DualConeProjector

from alloymtl import components

ORACLES = Path(__file__).parent / "oracles"
EPSILON = 2.0**-52
WIDTH = 7


class Balancer:
    """A balancer of this project with its state, asked for all tasks and told which are present."""

    def __init__(self, name, n, **changed):
        self.module = import_module(f"alloymtl.methods.balancers.{name}")
        chosen = components.resolve("balancer", name, changed, "methods.m")
        self.n, self.settings = n, self.module.settings(chosen)
        self.state, self.n_draws = self.module.initial_state(n, chosen), self.module.n_draws(n)

    def __call__(self, gradients=None, present=None, losses=None, draws=None):
        """Multipliers (2 x tasks present); those of the absent tasks are held to be 0."""
        present = np.ones(self.n, dtype=bool) if present is None else present
        gram = np.eye(self.n) if gradients is None else gradients @ gradients.T
        losses = np.ones(self.n) if losses is None else np.array(losses)
        draws = np.zeros(self.n_draws) if draws is None else draws
        found = self.module.balance(losses, gram, present, draws, self.state, self.settings)
        assert (found[:, ~present] == 0).all()
        return found[:, present]

    def shared(self, *args, **kwargs):
        """The factors for shared parameters; those for heads are held to be 1."""
        shared, heads = self(*args, **kwargs)
        assert (heads == 1).all()
        return shared

    def weights(self, *args, **kwargs):
        """The weights of losses, for shared parameters and heads alike."""
        shared, heads = self(*args, **kwargs)
        assert (shared == heads).all()
        return shared


def ask(weighting, gradients):
    """Weights by torchjd, in double precision."""
    return weighting(torch.from_numpy(gradients @ gradients.T)).numpy()


def slopes(scalarizer, losses):
    """The derivative by each loss of what torchjd makes of them: the weights of the tasks' gradients."""
    values = torch.tensor(losses, dtype=torch.float64, requires_grad=True)
    scalarizer(values).backward()
    return values.grad.numpy()


# ---------------------------------------------------------------- drawn gradients


@st.composite
def rows(draw, n, kinds):
    """Gradients (n x width)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.integers(-4, 5, size=(n, WIDTH)).astype(float)
    found[:, 0] += 9 * (found == 0).all(axis=1)  # only what is drawn to be zero is zero
    for i in range(n):
        what = draw(st.sampled_from(kinds))
        if what == "zero":
            found[i] = 0
        elif what == "tiny":
            found[i] *= 2.0**-12
        elif what == "dependent" and i:
            one, other = rng.integers(i, size=2)
            found[i] = rng.choice([-2.0, -0.5, 0.5, 2.0]) * found[one] + rng.choice([0.0, 1.0]) * found[other]
            found[i] -= found[one] * (found[i] == 0).all()
    return found


@st.composite
def presence(draw, n):
    """Which tasks are present (n,), at least one of them."""
    found = draw(arrays(bool, n))
    found[draw(st.integers(0, n - 1))] = True
    return found


def steps(kinds=("own", "own", "own", "tiny", "zero", "dependent"), max_tasks=6):
    """Gradients (tasks x width) of a step, and which tasks are present."""
    return st.integers(1, max_tasks).flatmap(lambda n: st.tuples(rows(n, kinds), presence(n)))


INDEPENDENT = ("own", "own", "tiny")


def norms(gradients):
    return np.linalg.norm(gradients, axis=1)


def independent(gradients):
    """Whether no unit gradient is nearly a combination of the others."""
    unit = gradients / norms(gradients)[:, None]
    return np.linalg.svd(unit, compute_uv=False).min() > 1e-3 if len(unit) <= WIDTH else False


def same_direction(found, expected, gradients, tolerance):
    """Compare the combinations of the gradients, relative to what both are made of."""
    scale = (np.abs(found) + np.abs(expected)) @ norms(gradients)
    assert found @ gradients == pytest.approx(expected @ gradients, rel=0, abs=tolerance * scale + 1e-300)


# ---------------------------------------------------------------- PCGrad and GradVac: the same orders


def orders_as_draws(orders, n, present):
    """Uniforms that make each task present meet the other ones present in the order listed, as torchjd numbers them."""
    square, here = np.full((n, n), 0.5), np.flatnonzero(present)
    for task, order in zip(here, orders, strict=True):
        square[task, here[list(order)]] = np.arange(len(order)) / n
    return square.ravel()


def in_orders(permutations):
    """Lets torchjd draw these permutations, one after the other."""
    drawn = [torch.tensor(each, dtype=torch.int64) for each in permutations]
    return mock.patch.object(torch, "randperm", side_effect=drawn)


@given(steps(max_tasks=3))
def test_pcgrad_is_torchjds_in_every_order_of_up_to_three_tasks(step):
    gradients, present = step
    k = int(present.sum())
    for orders in itertools.product(itertools.permutations(range(k)), repeat=k):
        pcgrad_agrees(gradients, present, orders)


@given(steps(), st.randoms(use_true_random=False))
def test_pcgrad_is_torchjds_in_drawn_orders(step, random):
    gradients, present = step
    k = int(present.sum())
    pcgrad_agrees(gradients, present, [random.sample(range(k), k) for _ in range(k)])


def pcgrad_agrees(gradients, present, orders):
    n = len(gradients)
    draws = np.concatenate([orders_as_draws(orders, n, present), np.zeros(n * n)])
    found = Balancer("pcgrad", n).shared(gradients, present, draws=draws)
    with in_orders(orders):
        expected = ask(aggregation.PCGradWeighting(), gradients[present])
    same_direction(found, expected, gradients[present], 1e-12)


def gradvac_step(ours, theirs, gradients, present, random):
    """Weights by both, for the same orders; torchjd draws them among the other tasks, numbered without the task."""
    k = int(present.sum())
    orders = [random.sample([j for j in range(k) if j != i], k - 1) for i in range(k)]
    found = ours.shared(gradients, present, draws=orders_as_draws(orders, len(present), present))
    with in_orders([[j - (j > i) for j in order] for i, order in enumerate(orders)]):
        return found, ask(theirs, gradients[present])


@settings(max_examples=50)
@given(
    st.integers(1, 6).flatmap(lambda n: st.tuples(st.lists(rows(n, INDEPENDENT), min_size=1, max_size=5), presence(n))),
    st.sampled_from([0.01, 0.5, 1.0]),
    st.randoms(use_true_random=False),
)
def test_gradvac_is_torchjds_from_step_to_step(course, beta, random):
    """Without the 1e-8 that torchjd adds to denominators: it makes a tiny gradient's cosines small.

    A zero or cancelled gradient has no cosine; torchjd takes 0 into the moving average, which this project's leaves
    alone, so gradients are independent here.
    """
    course, present = course
    assume(all(independent(gradients[present]) for gradients in course))
    ours, theirs = Balancer("gradvac", len(present), beta=beta), aggregation.GradVacWeighting(beta=beta, eps=0.0)
    for gradients in course:
        found, expected = gradvac_step(ours, theirs, gradients, present, random)
        same_direction(found, expected, gradients[present], 1e-9)
    targets = ours.state.reshape(len(present), -1)
    assert targets[np.ix_(present, present)] == pytest.approx(theirs._phi_t.numpy(), abs=1e-9)
    assert (targets[~present] == 0).all()
    assert (targets[:, ~present] == 0).all()


@given(steps(), st.randoms(use_true_random=False))
def test_the_first_step_of_gradvac_is_torchjds_for_any_gradients(step, random):
    """Targets are 0 in it, so that a cosine of 0 and none at all come to the same."""
    gradients, present = step
    ours, theirs = Balancer("gradvac", len(present)), aggregation.GradVacWeighting(beta=0.01, eps=1e-30)
    found, expected = gradvac_step(ours, theirs, gradients, present, random)
    same_direction(found, expected, gradients[present], 1e-9)


# ---------------------------------------------------------------- MGDA: torchjd stops early


@given(steps())
def test_what_mgda_finds_is_never_longer_than_torchjds_and_as_near_to_it_as_torchjds_own_gap_says(step):
    """Frank-Wolfe's steps end after a hundred or when they are small, wherever that is.

    Where weights a are not yet the best ones, a^T G a - min_i (G a)_i bounds half of what their squared length is above
    the shortest; and for the shortest vector, and no other, the squared distance is at most that excess.
    """
    gradients, present = step
    found = Balancer("mgda", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    expected = ask(aggregation.MGDAWeighting(), gradients)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    ours, theirs = found @ gradients, expected @ gradients
    rounding = 1e-14 * norms(gradients).max() ** 2
    excess = theirs @ theirs - ours @ ours
    assert excess >= -rounding
    assert excess <= 2 * (theirs @ theirs - (gradients @ theirs).min()) + rounding
    assert ((theirs - ours) ** 2).sum() <= excess + rounding


# ---------------------------------------------------------------- UPGrad: torchjd's problem, solved by scipy


class NonnegativeLeastSquares(DualConeProjector):
    """The least |J^T v|^2 / |J|^2 + r |v|^2 with v >= u: what torchjd asks of a projector, with r = ``reg_eps``.

    The solver behind its own projector is not among this project's packages.
    """

    def __init__(self, gradients, reg_eps=0.0):
        size = np.linalg.norm(gradients)
        self.rows = np.hstack([gradients / size, np.sqrt(reg_eps) * np.eye(len(gradients))])

    def __call__(self, U, G):
        return torch.tensor(np.array([u + nnls(self.rows.T, -self.rows.T @ u)[0] for u in U.numpy()]))


@given(steps())
def test_upgrad_is_torchjds_without_its_regularisation(step):
    gradients, present = step
    assume((gradients[present] != 0).any())
    found = Balancer("upgrad", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    expected = ask(aggregation.UPGradWeighting(projector=NonnegativeLeastSquares(gradients)), gradients)
    # the Gram matrix knows squared lengths, hence what is left of a vector to the root of the rounding
    assert found @ gradients == pytest.approx(expected @ gradients, rel=0, abs=1e-7 * norms(gradients).max())


@given(steps())
def test_upgrad_is_as_near_to_torchjds_as_its_regularisation_says(step):
    """What it adds to the diagonal, r = 1e-4 of the trace, decides how far apart the two may be.

    If v is least under G and v_r under G + r, then |J^T (v_r - v)|^2 <= v_r^T G v_r - v^T G v <= r (|v|^2 - |v_r|^2)
    for each projection, and the sum of their roots bounds the distance of the sums.
    """
    gradients, present = step
    assume((gradients[present] ** 2).sum() >= 1e-4)  # below which torchjd takes all gradients for zero
    found = Balancer("upgrad", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    n, gram = len(gradients), torch.from_numpy(gradients @ gradients.T)
    exact, regular = (NonnegativeLeastSquares(gradients, r) for r in (0.0, 1e-4))
    each = torch.eye(n, dtype=torch.float64) / n
    fewer = (exact(each, gram) ** 2).sum(1) - (regular(each, gram) ** 2).sum(1)
    room = np.sqrt(1e-4 * np.trace(gram) * np.maximum(fewer.numpy(), 0)).sum()
    theirs = ask(aggregation.UPGradWeighting(projector=regular), gradients)
    assert np.linalg.norm((found - theirs) @ gradients) <= room + 1e-7 * norms(gradients).max()


# ---------------------------------------------------------------- FairGrad and Nash-MTL: equations

RIDGE = 2e-12
"""What is added here to the squares of unit gradients, and its rounding: no error of the equations is larger."""


def gap(weights, gradients, alpha):
    """What is left of the equations (G w)_i = w_i ** (-1 / alpha) (tasks,)."""
    return gradients @ (weights @ gradients) - weights ** (-1 / alpha)


def residual(weights, gradients, alpha):
    """The largest gap, in units of the terms of its sum."""
    return (np.abs(gap(weights, gradients, alpha)) / norms(gradients) / (weights @ norms(gradients))).max()


@settings(max_examples=60)
@given(steps(kinds=("own", "own", "tiny", "dependent"), max_tasks=5), st.sampled_from([0.5, 1.0, 2.0]))
def test_fairgrad_solves_the_equations_and_lies_as_near_to_torchjds_as_its_error_says(step, alpha):
    """Its least squares stop at a tolerance, or where they started. F(w) = G w - w^(-1/alpha) grows along any line
    between two points, so (t - o)^T G (t - o) <= (F(t) - F(o))^T (t - o).

    A zero row has no root and torchjd sends its weight off; nor is there one where gradients can cancel out.
    """
    gradients, present = step
    assume(shortest(gradients[present]) > 1e-2)
    found = Balancer("fairgrad", len(gradients), alpha=alpha).shared(gradients, present)
    gradients = gradients[present]
    theirs = ask(aggregation.FairGradWeighting(alpha), gradients)
    assert (found > 0).all()
    assert residual(found, gradients, alpha) <= max(residual(theirs, gradients, alpha), RIDGE)
    apart = theirs - found
    error = (gap(theirs, gradients, alpha) - gap(found, gradients, alpha)) @ apart
    assert ((apart @ gradients) ** 2).sum() <= error * (1 + 1e-9) + 1e-12 * (np.abs(apart) @ norms(gradients)) ** 2


def shortest(gradients):
    """Length of the shortest vector in the hull of the unit gradients."""
    unit = gradients / norms(gradients)[:, None]
    heavy = 1e4 * np.ones((1, len(unit)))  # the weights sum to 1
    return nnls(np.vstack([unit.T, heavy]), np.append(np.zeros(WIDTH), heavy[0, 0]))[1]


@settings(max_examples=60)
@given(steps(kinds=("own", "own", "tiny"), max_tasks=5))
def test_the_bargain_of_nash_mtl_solves_torchjds_equations_of_fairness_1(step):
    gradients, present = step
    assume(shortest(gradients[present]) > 1e-2)
    found = Balancer("nash_mtl", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    theirs = ask(aggregation.FairGradWeighting(1.0), gradients)
    assert residual(found, gradients, 1.0) <= max(residual(theirs, gradients, 1.0), RIDGE)
    # where both are near the root: F(t) - F(o) = (G + D) (t - o), with D > 0 between the slopes of -1 / w at the two
    slope = 1 / np.maximum(found, theirs) ** 2
    error = np.linalg.norm(gap(theirs, gradients, 1.0) - gap(found, gradients, 1.0))
    smallest = np.linalg.eigvalsh(gradients @ gradients.T + np.diag(slope))[0]
    assert np.linalg.norm(found - theirs) <= error / smallest * (1 + 1e-6) + 1e-12


def stored(name, block=None):
    """(gradients, entry) of each case of an oracle file; an entry holds what is exact and what torchjd gave."""
    found = []
    for case in json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))["cases"]:
        entries = [case["expected"]] if block is None else case["expected"][block]
        found += [
            pytest.param(np.array(case["inputs"]["gradients"]), e, id=f"{case['id']}{i or ''}")
            for i, e in enumerate(entries)
        ]
    return found


@pytest.mark.parametrize(("gradients", "entry"), stored("nash_mtl"))
def test_nash_mtl_meets_the_bargain_better_than_torchjds_convex_problems(gradients, entry):
    found = Balancer("nash_mtl", len(gradients)).shared(gradients)
    theirs = np.array(entry["torchjd"]["weights_max_norm_0"])
    assert residual(found, gradients, 1.0) < RIDGE < residual(theirs, gradients, 1.0)
    if entry["torchjd"]["reached_the_solution"]:
        assert found == pytest.approx(theirs, rel=1e-3)  # its stopping rule


@pytest.mark.parametrize(("gradients", "entry"), stored("cagrad", "by_c"))
def test_cagrad_serves_the_worst_off_task_no_worse_than_torchjds_solver(gradients, entry):
    found = Balancer("cagrad", len(gradients), c=entry["c"]).shared(gradients) @ gradients
    theirs, mean = np.array(entry["torchjd"]["combined"]), gradients.mean(0)
    radius = entry["c"] * np.linalg.norm(mean)
    assert np.linalg.norm(found - mean) <= radius * (1 + 1e-9)
    # the solver's own tolerance takes it out of the ball by so much
    outside = max(np.linalg.norm(theirs - mean) - radius, 0.0)
    assert (gradients @ found).min() >= (gradients @ theirs).min() - (outside + 1e-12) * norms(gradients).max()
    assert found == pytest.approx(theirs, rel=1e-3, abs=1e-3 * np.linalg.norm(mean))


# ---------------------------------------------------------------- decompositions: IMTL-G, Aligned-MTL, ConFIG


@given(steps(INDEPENDENT))
def test_imtl_g_is_torchjds_to_the_rounding_of_its_inverse(step):
    """It inverts the Gram matrix as it stands, this project that of the unit gradients: tiny rows cost it digits."""
    gradients, present = step
    assume(independent(gradients[present]))
    found = Balancer("imtl_g", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    expected = ask(aggregation.IMTLGWeighting(), gradients)
    gram = gradients @ gradients.T
    raw = np.linalg.solve(gram, norms(gradients))
    cancelled = np.abs(raw).sum() / abs(raw.sum())  # the sum of weights of either sign divides them
    assume(cancelled < 1e3)
    error = 32 * EPSILON * np.linalg.cond(gram) * cancelled
    assert found == pytest.approx(expected, rel=0, abs=error * np.abs(expected).max())


@given(steps(kinds=("own", "own", "zero", "dependent")))
def test_imtl_g_of_dependent_and_zero_gradients_is_torchjds(step):
    """Both take the pseudo-inverse, if both see the rank that the rows have."""
    gradients, present = step
    found = Balancer("imtl_g", len(gradients)).shared(gradients, present)
    gradients = gradients[present]
    gram = gradients @ gradients.T
    values = np.linalg.eigvalsh(gram)
    kept = values[values > 1e-9 * values.max()]
    assume(len(kept) == torch.linalg.matrix_rank(torch.from_numpy(gram)) > 0)
    expected = ask(aggregation.IMTLGWeighting(), gradients)
    raw = np.linalg.pinv(gram, rcond=1e-9) @ norms(gradients)
    cancelled = np.abs(raw).sum() / max(abs(raw.sum()), 1e-300)
    assume(cancelled < 1e3)
    error = 64 * EPSILON * kept.max() / kept.min() * cancelled
    assert found == pytest.approx(expected, rel=0, abs=error * np.abs(expected).max())


@given(steps(), st.sampled_from(["min", "median", "rmse"]))
def test_aligned_mtl_is_torchjds_where_both_drop_the_same_directions(step, scale):
    gradients, present = step
    found = Balancer("aligned_mtl", len(gradients), scale=scale).shared(gradients, present)
    gradients = gradients[present]
    assume((gradients != 0).any())  # of zeros alone torchjd takes the mean, which is zero
    values = np.linalg.eigvalsh(gradients @ gradients.T)
    share = values / values.max()
    # directions between what rounding leaves of zero and 2^-40 a task are kept there and dropped here
    assume(not ((share > len(share) * EPSILON / 4) & (share < 2 * len(share) * 2.0**-40)).any())
    expected = ask(aggregation.AlignedMTLWeighting(scale_mode=scale), gradients)
    error = 64 * EPSILON / share[share > 2.0**-40].min() * max(np.abs(expected).max(), 1.0)
    assert found == pytest.approx(expected, rel=0, abs=error)


@given(steps())
def test_config_is_torchjds_unless_the_gradients_oppose_each_other(step):
    """Then its direction is the rounding of zero, brought to length 1; here the step is zero."""
    gradients, present = step
    n = len(gradients)
    found = Balancer("config", n).shared(gradients, present)
    gradients = gradients[present]
    length = norms(gradients)
    unit = gradients / np.where(length > 0, length, 1)[:, None]
    values = np.linalg.svd(unit, compute_uv=False)
    assume(not ((values > 1e-15) & (values < 1e-4)).any())
    direction = np.linalg.pinv(unit, rcond=1e-6) @ (length > 0)
    if np.linalg.norm(direction) < 1e-6:
        assert found @ gradients == pytest.approx(np.zeros(WIDTH), abs=1e-9)
        return
    expected = aggregation.ConFIG()(torch.from_numpy(gradients)).numpy()
    error = 64 * EPSILON / values[values > 1e-4].min() ** 2
    assert found @ gradients == pytest.approx(expected, rel=0, abs=error * length.sum())


# ---------------------------------------------------------------- weights of losses

LOSSES = st.floats(1e-3, 1e3)


@st.composite
def courses(draw, presence_changes=False):
    """Losses of some steps (steps x tasks), and which tasks are present, in each step alike or not."""
    n = draw(st.integers(1, 6))
    count = draw(st.integers(1, 8))
    losses = draw(arrays(float, (count, n), elements=LOSSES))
    return losses, draw(arrays(bool, (count, n))) if presence_changes else np.tile(draw(presence(n)), (count, 1))


@settings(max_examples=50, deadline=None)  # the first use of torch's Adam imports half of torch
@given(courses())
def test_famo_is_torchjds_whose_update_is_told_the_losses_of_the_next_batch(course):
    """The paper computes the losses of a batch anew after the step; here those of the next batch stand for them."""
    losses, (present, *_) = course
    ours = Balancer("famo", len(present))
    theirs = scalarization.FAMO(int(present.sum())).double()
    for number, values in enumerate(losses):
        if number and present.sum() > 1:  # a task alone has nothing to be balanced against: its logit decays there
            theirs.update(torch.from_numpy(values[present]))
        found = ours.weights(present=present, losses=values)
        expected = present.mean() * slopes(theirs, values[present])  # their share of all tasks
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(courses(), st.sampled_from([0.01, 0.1, 1.0, 10.0]))
def test_the_smooth_maximum_has_torchjds_derivatives(course, mu):
    """Of the tasks present with the preference of all, scaled by their share of all."""
    losses, (present, *_) = course
    n = len(present)
    preference = torch.full((int(present.sum()),), 1.0 / n, dtype=torch.float64)
    for values in losses:
        found = Balancer("stch", n, mu=mu).weights(present=present, losses=values)
        expected = present.mean() * slopes(scalarization.STCH(mu, preference), values[present])
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


@settings(max_examples=50)
@given(courses(presence_changes=True), st.sampled_from([0.001, 0.1]))
def test_uncertainty_weighting_is_torchjds_of_each_task_with_an_adam_of_its_own(course, rate):
    """Its terms are separate, so that an absent task's is left out of a step by leaving its optimiser alone."""
    losses, presences = course
    n = losses.shape[1]
    ours = Balancer("uncertainty", n, rate=rate)
    theirs = [scalarization.UW(1).double() for _ in range(n)]
    adams = [torch.optim.Adam(each.parameters(), lr=rate) for each in theirs]
    for values, present in zip(losses, presences, strict=True):
        expected = []
        for task in np.flatnonzero(present):
            adams[task].zero_grad()
            expected.append(slopes(theirs[task], values[[task]])[0])
            adams[task].step()
        assert ours.weights(present=present, losses=values) == pytest.approx(expected, rel=1e-9)
    assert ours.state[:n] == pytest.approx([each.log_var.item() for each in theirs], rel=1e-9, abs=1e-12)


@given(courses(), st.integers(0, 2**32))
def test_random_weights_are_torchjds_of_the_same_normals(course, seed):
    losses, (present, *_) = course
    n = len(present)
    draws = np.random.default_rng(seed).random(2 * n)
    normals = np.sqrt(-2 * np.log(1 - draws[:n])) * np.cos(2 * np.pi * draws[n:])
    found = Balancer("rlw", n).weights(present=present, losses=losses[0], draws=draws)
    with mock.patch.object(torch, "randn", return_value=torch.from_numpy(normals[present])):
        expected = present.mean() * slopes(scalarization.Random(), losses[0][present])
    assert found == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6)).flatmap(
        lambda s: arrays(float, s, elements=LOSSES)
    ),
    st.sampled_from([0.5, 2.0]),
    st.data(),
)
def test_dwa_is_torchjds_of_the_same_epochs(losses, temperature, data):
    """(epochs x batches x tasks). A task that a step lacks has no weight in it, and the others keep theirs."""
    n = losses.shape[2]
    ours, theirs = Balancer("dwa", n, temperature=temperature), scalarization.DWA(temperature)
    for epoch in losses:
        for batch in epoch:
            present, expected = data.draw(arrays(bool, n)), slopes(theirs, batch)
            assert ours.weights(present=present, losses=batch) == pytest.approx(expected[present], rel=1e-9)
        ours.module.end_of_epoch(epoch.mean(0), ours.state, ours.settings)
        theirs.step()
