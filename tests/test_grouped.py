"""Groups of tasks: every group a network of its own, with hard sharing and independent networks at the two ends."""

import numpy as np
import pytest

from alloymtl.errors import UserError
from alloymtl.method import Method, check_stages
from alloymtl.methods.architectures import grouped, pairs
from alloymtl.run import FOLDERS
from training_fixture import TASKS, a_run, data, partition, rows, same, train

NAMES = [task.name for task in TASKS]


def grouped_run(groups):
    run = a_run(options={"groups": groups})
    run.parts["architecture"] = type(run.parts["architecture"])(
        "architecture", "grouped", {"head": 5, "groups": groups}
    )
    return run


def test_one_group_of_all_is_hard_sharing_and_no_group_is_independent_networks(tmp_path):
    frame = rows()
    found = {}
    for name, run in {
        "one": grouped_run([["c", "a", "b"]]),
        "hard": a_run(),
        "none": grouped_run([]),
        "independent": a_run("independent", options={"head": 5}),
    }.items():
        found[name] = train(run, data(frame, run), tmp_path / name)
    same(found["one"], found["hard"])
    same(found["none"], found["independent"])


def test_a_group_knows_nothing_of_the_others(tmp_path):
    frame = rows()
    run = grouped_run([["a", "b"]])
    table = partition(frame, run)
    together = train(run, data(frame, run, table), tmp_path / "one")
    other = frame.copy()
    other["y:c"] = np.where(frame["y:c"].isna(), np.nan, 1 - frame["y:c"])
    moved = train(run, data(other, run, table), tmp_path / "other")
    assert list(together.fits) == ["a+b", "c"]
    for task, changes in (("a", False), ("b", False), ("c", True)):
        one, two = (f.predictions[f.predictions["task"] == task]["prediction"] for f in (together, moved))
        assert one.equals(two) != changes


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([["a", "d"]], r"groups\[0\]: no task 'd'"),
        ([["a", "b"], ["b", "c"]], r"groups\[1\]: task 'b' stands twice"),
        (["a"], r"groups\[0\]: 'a' is not a list of tasks"),
    ],
)
def test_groups_that_do_not_fit_the_tasks_are_refused_before_training(groups, message):
    with pytest.raises(UserError, match=message):
        grouped.stages(NAMES, np.ones(3), {"groups": groups})
    values = {"architecture": "grouped", "architecture_options": {"groups": groups}, "training": {}}
    values |= dict.fromkeys(("balancer", "smoothing"), "none") | {"loss": "mse", "sampler": "uniform"}
    values |= {"optimiser": "adam"} | {f"{kind}_options": {} for kind in FOLDERS if kind != "architecture"}
    method = Method.from_config("m", values, a_run().training, {}, "cfg")
    with pytest.raises(UserError, match=r"cfg: methods\.m\.architecture_options\." + message):
        check_stages([method], NAMES, "cfg")


@pytest.mark.parametrize("n", range(2, 10))
def test_every_two_tasks_meet_once_and_in_each_round_every_task_is_trained_once(n):
    tasks = [f"t{i}" for i in range(n)]
    met = []
    for number in range(1, pairs.rounds(n) + 1):
        found = [stage.tasks for stage in pairs.stages(tasks, np.ones(n), {"head": 5, "round": number})]
        assert sorted(task for group in found for task in group) == tasks
        assert sum(len(group) == 1 for group in found) == n % 2
        met += [group for group in found if len(group) == 2]
    assert len(met) == len(set(met)) == n * (n - 1) // 2
    with pytest.raises(UserError, match=rf"{n} tasks meet in {pairs.rounds(n)} rounds, not {pairs.rounds(n) + 1}"):
        pairs.stages(tasks, np.ones(n), {"head": 5, "round": pairs.rounds(n) + 1})
