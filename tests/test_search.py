"""Grid search of the tasks' weights: what is tried, what is kept, and what a run says of it."""

import dataclasses
import math

import numpy as np
import pytest

from alloymtl.errors import UserError
from alloymtl.methods.balancers import grid_search, none
from training_fixture import Watcher, a_run, data, rows, same, train

GRID = {"points": 3, "lowest": 0.1, "highest": 10.0}


def searching(**options):
    run = a_run(parts={"balancer": "grid_search"}, max_epochs=4, engine="compiled")
    run.parts["balancer"].options.update({**GRID, **options})
    return run


def test_the_grid_holds_every_pair_of_weights_of_the_smaller_tasks_and_equal_ones_first():
    found = grid_search.candidates(np.array([800, 52_388, 840]), {"points": 7, "lowest": 0.1, "highest": 100.0})
    assert len(found) == 49
    np.testing.assert_array_equal(found[0], np.ones(3))
    assert all(weights[1] == 1 for weights in found)
    steps = {round(math.log10(weight) * 2) for weights in found for weight in weights}
    assert steps == {-2, -1, 0, 1, 2, 3, 4}
    assert len({tuple(weights) for weights in found}) == 49
    assert len(grid_search.candidates(np.array([5, 9]), {"points": 4, "lowest": 0.2, "highest": 3.0})) == 5
    assert len(grid_search.candidates(np.array([5]), GRID)) == 1


def test_a_grid_that_cannot_be_is_refused_with_the_mend():
    for options in ({"lowest": 0.0}, {"lowest": 20.0}, {"points": 0}):
        with pytest.raises(UserError, match="no grid has"):
            grid_search.candidates(np.array([3, 2]), {**GRID, **options})
    with pytest.raises(UserError, match="lower balancer_options"):
        grid_search.candidates(np.arange(1, 8), {**GRID, "points": 7})


def test_the_change_is_that_of_losses_in_per_cent_and_lower_is_better():
    assert grid_search.change(np.array([0.9, 2.2]), np.array([1.0, 2.0])) == pytest.approx((10 - 10) / 2)
    assert grid_search.change(np.array([0.5, 2.0]), np.array([1.0, 2.0])) == pytest.approx(25)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    run = searching()
    dataset = data(rows(), run)
    return dataset, train(run, dataset, tmp_path_factory.mktemp("search"))


def test_what_is_kept_is_the_training_with_the_best_weights_and_nothing_else(found, tmp_path, monkeypatch):
    dataset, outcome = found
    table = outcome.extras["search"]
    assert len(table) == 9 * 3
    best = table.loc[table["change"].idxmax(), "trial"]
    assert set(table.loc[table["kept"], "trial"]) == {best}
    assert (table.loc[table["trial"] == 0, "change"] == 0).all()
    assert table["change"].nunique() > 3
    weights = table.loc[table["trial"] == best, "weight"].to_numpy()
    monkeypatch.setattr(none, "coefficients", lambda sizes, options: weights)
    alone = train(a_run(parts={"balancer": "none"}, max_epochs=4, engine="compiled"), dataset, tmp_path / "alone")
    np.testing.assert_array_equal(alone.predictions["prediction"], outcome.predictions["prediction"])
    (fit,) = outcome.fits.values()
    assert (fit.trainings, fit.epochs) == (9, next(iter(alone.fits.values())).epochs)


def test_a_search_that_is_killed_goes_on_with_the_candidate_it_was_at(found, tmp_path):
    dataset, outcome = found
    watcher = Watcher(stop_at=4 * 3 + 2)
    watcher.update = _counting(watcher)
    with pytest.raises(KeyboardInterrupt):
        train(searching(), dataset, tmp_path, watcher=watcher)
    assert len(list(tmp_path.glob("*.checkpoint.npz"))) == 4
    again = Watcher()
    same(train(searching(), dataset, tmp_path, watcher=again), outcome)
    assert again.epochs < 4 * 9 - 4 * 3


def _counting(watcher):
    def update(epoch, values):
        watcher.epochs += 1
        if watcher.epochs == watcher.stop_at:
            raise KeyboardInterrupt

    return update


def test_a_network_of_one_task_has_nothing_to_search(tmp_path):
    run = dataclasses.replace(searching(), tasks=a_run().tasks[:1])
    frame = rows().drop(columns=["y:b", "y:c"]).dropna(subset=["y:a"])
    outcome = train(run, data(frame, run), tmp_path)
    assert "search" not in outcome.extras
    assert next(iter(outcome.fits.values())).trainings == 1
