"""Samplers: what an epoch of batches holds, for any rows and labels."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alloymtl.errors import UserError
from alloymtl.methods.samplers import stratified, uniform

MINIMUM = stratified.OPTIONS["minimum"]
# All labels of the last task lie with rows of scarcer ones, whose other rows do not have it.
SWALLOWED = np.array([[1, 0, 1]] * 5 + [[1, 0, 0]] * 3 + [[0, 1, 1]] * 5 + [[0, 1, 0]] * 3, dtype=bool)


def rng(seed=0):
    return np.random.default_rng(seed)


def one_label_each(*sizes, seed=0):
    """Rows of which each belongs to one task, in random order."""
    owner = rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return owner[:, None] == np.arange(len(sizes))


@st.composite
def tables(draw):
    """Labels of up to 4 tasks, any overlap, some tasks without a row."""
    n, tasks = draw(st.integers(2, 60)), draw(st.integers(1, 4))
    labelled = draw(arrays(bool, (n, tasks)))
    labelled[~labelled.any(axis=1), draw(st.integers(0, tasks - 1))] = True
    return labelled


# ---------------------------------------------------------------- uniform


@given(st.integers(2, 200), st.integers(2, 64), st.integers(0, 9))
def test_a_uniform_epoch_holds_every_row_once_in_the_order_of_one_permutation(n, batch_size, seed):
    epoch = uniform.batches(np.ones((n, 3), dtype=bool), batch_size, rng(seed), uniform.OPTIONS)
    assert (np.concatenate(epoch) == rng(seed).permutation(n)).all()
    sizes = [len(b) for b in epoch]
    assert all(size == batch_size for size in sizes[:-1])
    assert 2 <= sizes[-1] <= batch_size + 1


# ---------------------------------------------------------------- stratified


@given(tables(), st.integers(0, 40), st.integers(0, 9), st.integers(1, 3))
@example(SWALLOWED, 0, 0, 1)
@example(SWALLOWED, 2, 0, 2)
def test_every_batch_holds_every_task_that_has_rows(labelled, spare, seed, minimum):
    options, sizes = {"minimum": minimum}, [len(pool) for pool in stratified.pools(labelled)]
    batch_size = max(2, sum(min(minimum, size) for size in sizes)) + spare
    epoch = stratified.batches(labelled, batch_size, rng(seed), options)
    for batch in epoch:
        assert (labelled[batch].any(axis=0) == labelled.any(axis=0)).all()
        assert len(set(batch)) == len(batch)
        assert 2 <= len(batch) < batch_size + max(2, minimum)
    again = stratified.batches(labelled, batch_size, rng(seed), options)
    assert all((a == b).all() for a, b in zip(epoch, again, strict=True))


@given(tables())
@example(SWALLOWED)
def test_every_row_is_in_one_pool_and_a_row_of_each_pool_makes_up_all_tasks(labelled):
    pools = stratified.pools(labelled)
    assert sorted(np.concatenate(pools)) == list(range(len(labelled)))
    certain = np.array([labelled[pool].all(axis=0) for pool in pools])
    assert (certain.any(axis=0) == labelled.any(axis=0)).all()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(8, 40), st.integers(0, 9))
def test_an_epoch_passes_once_through_the_largest_pool_and_spreads_the_others_evenly(sizes, batch_size, seed):
    labelled = one_label_each(*sizes)
    epoch = stratified.batches(labelled, batch_size, rng(seed), stratified.OPTIONS)
    counts = np.array([labelled[batch].sum(axis=0) for batch in epoch])
    assert (counts >= np.minimum(sizes, MINIMUM)).all()
    assert all(len(set(batch)) == len(batch) for batch in epoch)
    drawn = np.bincount(np.concatenate(epoch), minlength=len(labelled))
    largest = int(np.argmax(sizes))
    for task in range(len(sizes)):
        times = drawn[labelled[:, task]]
        assert times.max() - times.min() <= 1  # reshuffled only when used up
        assert np.ptp(counts[:, task]) <= (task == largest)
    assert (drawn[labelled[:, largest]] == 1).all()
    assert np.ptp([len(batch) for batch in epoch]) <= 1


@given(arrays(np.int64, st.integers(1, 5), elements=st.integers(1, 50_000)), st.integers(10, 64))
def test_quotas_fill_the_batch_and_follow_the_sizes_where_these_ask_for_enough(sizes, batch_size):
    batch_size = min(batch_size, int(sizes.sum()))
    quotas = stratified._quotas(sizes, batch_size, MINIMUM)
    assert quotas.sum() == batch_size
    assert (quotas <= sizes).all()
    assert (quotas >= np.minimum(sizes, MINIMUM)).all()
    by_size = quotas > np.minimum(sizes, MINIMUM)
    share = quotas[by_size].sum() * sizes[by_size] / sizes[by_size].sum()
    assert (np.abs(quotas[by_size] - share) < 2).all()


def test_the_papers_sizes_and_batches_of_32():
    labelled = one_label_each(36_670, 560, 588)
    epoch = stratified.batches(labelled, 32, rng(), stratified.OPTIONS)
    counts = np.array([labelled[batch].sum(axis=0) for batch in epoch])
    assert len(epoch) == 1310  # 36,670 / 28
    assert (counts[:, 1:] == 2).all()
    assert set(counts[:, 0]) == {27, 28}


def test_a_batch_too_small_for_all_tasks_is_the_users_to_mend():
    labelled = one_label_each(30, 20, 10, 1)
    assert stratified.batches(labelled, 7, rng(), stratified.OPTIONS)
    with pytest.raises(UserError, match=r"^training\.batch_size: .* at least 7,"):
        stratified.batches(labelled, 6, rng(), stratified.OPTIONS)
    with pytest.raises(UserError, match=r"minimum"):
        stratified.batches(labelled, 32, rng(), {"minimum": 0})
