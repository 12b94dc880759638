"""The shipped arms of overlap: whose data they read, which groups they train, and what a mistake in one says."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from alloymtl.config import read
from alloymtl.data.simulate.settings import PROPERTIES
from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.grouping import random_partitions
from alloymtl.evaluation.affinity.kinds import MAGNITUDES
from alloymtl.evaluation.affinity.relations import relations
from alloymtl.evaluation.affinity.trained import partition
from alloymtl.experiment import BENEFIT, TASKONOMY
from alloymtl.methods.architectures import pairs
from alloymtl.study import Study

CONFIG = Path(__file__).resolve().parents[1] / "config"


@pytest.fixture(scope="module", params=["config.yaml", "quick.yaml"])
def study(request):
    return Study.from_config(read(str(CONFIG / request.param)), request.param)


def groups_of(arm, name):
    """What a method trains together, as sets, in the study's order of tasks."""
    tasks = [task.name for task in arm.tasks]
    method = arm.methods[name]
    view = {kind: {"name": part.name, "options": dict(part.options)} for kind, part in method.parts.items()}
    return partition(view, tasks)


def test_arms_of_one_world_read_the_same_alloys_and_each_other_world_has_its_own(study):
    arms = {name: arm for name, arm in study.controls.items() if name.startswith("arm_")}
    lender = arms["arm_kept"]
    assert lender.ingests
    for name in ("arm_exact", "arm_apart"):
        assert (arms[name].data_root, arms[name].ingests, arms[name].simulates) == (lender.root, False, False)
        assert arms[name].root != lender.root
    others = [arms[name] for name in ("arm_linear", "arm_relu", "arm_planted", "arm_unrelated")]
    assert all(arm.ingests and arm.simulates for arm in others)
    assert len({arm.data_root for arm in (lender, *others)}) == 5


def test_the_proposed_clusters_are_those_of_the_simulator_and_random_groups_are_as_they_were_drawn(study):
    arm = study.controls["arm_exact"]
    tasks = [task.name for task in arm.tasks]
    known = [[t for t in tasks if PROPERTIES[t].cluster == c] for c in ("electronic", "mechanical", "thermodynamic")]
    assert groups_of(arm, "clusters") == known
    drawn = random_partitions(tasks, [3, 3, 2], 5, np.random.default_rng(6), [known])
    names = [name for name in arm.experiments[TASKONOMY].methods if name.startswith("random_")]
    assert len(names) >= 3
    assert [groups_of(arm, name) for name in names] == drawn[: len(names)]


def test_every_two_tasks_of_an_arm_with_pairs_are_trained_together_once(study):
    arm = study.controls["arm_exact"]
    tasks = [task.name for task in arm.tasks]
    met = [frozenset(g) for name in arm.experiments[BENEFIT].methods for g in groups_of(arm, name) if len(g) == 2]
    assert len(met) == len(set(met))
    assert set(met) == {frozenset(pair) for pair in combinations(tasks, 2)}
    assert len(arm.experiments[BENEFIT].methods) == 1 + pairs.rounds(len(tasks))


def test_a_control_has_its_title_or_its_name(study):
    assert study.controls["arm_kept"].title == "Labels kept by chance"
    assert study.controls["grouped"].title == "grouped"


@pytest.mark.parametrize("name", [BENEFIT, TASKONOMY])
def test_groups_without_gradients_to_set_them_beside_are_a_mistake(name):
    config = read(str(CONFIG / "config.yaml"))
    experiments = config["controls"]["arm_exact"]["experiments"]
    config["controls"]["arm_exact"]["experiments"] = {"main": experiments["main"], name: experiments[name]}
    with pytest.raises(UserError, match=rf"controls.arm_exact: experiments.{name}: .*no such experiment.*'affinity'"):
        Study.from_config(config, "cfg")


def test_a_task_and_its_negative_ask_the_same_of_the_shared_parameters():
    """Why gradients tell the size of a relation and not its sign: with the head turned, the losses are the same."""
    torch.manual_seed(1)
    x, y = torch.randn(32, 5), torch.randn(32, 1)
    shared, head = torch.nn.Linear(5, 8), torch.nn.Linear(8, 1)
    found = []
    for turn in (1, -1):
        hidden = torch.relu(shared(x))
        output = hidden @ (turn * head.weight).T + turn * head.bias
        loss = torch.nn.functional.mse_loss(output, turn * y)
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(shared.parameters()))]))
    torch.testing.assert_close(*found)


def test_a_magnitude_is_the_relation_without_its_sign():
    alloys = [f"a{n}" for n in range(40)]
    values = np.random.default_rng(0).normal(size=40)
    features = pd.DataFrame({"alloy": alloys, "y:one": values, "y:other": -values})
    lines = [{"alloy": a, "task": t, "partition": "train"} for a in alloys for t in ("one", "other")]
    truth = {"tasks": ["one", "other"], "signal_correlation_on_common_pool": [[1, -0.7], [-0.7, 1]]}
    found = {
        line["kind"]: line["value"] for line in relations(features, pd.DataFrame(lines), "all", ["one", "other"], truth)
    }
    assert found["labels"] == pytest.approx(-1)
    assert found["signals"] == -0.7
    for signed, magnitude in MAGNITUDES.items():
        assert (magnitude in found) == (signed in found)
        assert found.get(magnitude) == (abs(found[signed]) if signed in found else None)
