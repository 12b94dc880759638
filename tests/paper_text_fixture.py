"""Made-up results for the shipped configs, whose methods and options the paper's text has to describe."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from alloymtl import config
from alloymtl.experiment import AFFINITY
from alloymtl.study import Study
from arms_world import arms, few_draws, within
from paper_fixture import REPORTED, REPOSITORY
from paper_world import FILES, MadeUpStudy

NOISE = 0.4
OTHER_NOISE = {"independent": 0.3, "weights_equal": 0.31, "transfer_random": 0.6, "independent_matched": 0.31}


def specification(name="config", change=None):
    """The paper's view of a shipped config, after ``change`` has altered the config's content."""
    content = config.read(REPOSITORY / f"config/{name}.yaml")
    if change is not None:
        change(content)
    return Study.from_config(content).to_paper_dict()


def _made_up(root, spec, noise, sizes=None):
    sizes = sizes or dict(spec["simulation"]["rows"])
    of_method = {m: noise.get(m, NOISE) for m in spec["methods"]}
    of_kind = {
        kind: [n for n, m in spec["methods"].items() if m["architecture"]["name"] == kind]
        for kind in ("structured", "soft")
    }
    return MadeUpStudy(root, spec, sizes, of_method, relations=of_kind["structured"], similar=of_kind["soft"])


def is_arm(spec):
    """Whether a control asks for the affinity of its tasks."""
    return any(experiment["name"] == AFFINITY for experiment in spec["experiments"])


@cache
def made_up_arms():
    """The arms of ``arms_world``, made once."""
    with few_draws():
        return arms(Path(tempfile.mkdtemp(prefix="arms-")))


def shipped(root, name="config", change=None, noise=None, sizes=None):
    """A shipped study with made-up results, its controls included; its arms are those of ``arms_world``.

    Args:
        root: folder of its files.
        name: of the config file.
        change: alters the config's content in place before it is read.
        noise: how far the predictions of single methods stray.
        sizes: labels of each task, where the config simulates none.
    """
    spec = specification(name, change)
    own = {control: of for control, of in spec["controls"].items() if not is_arm(of)}
    has_arms, spec["controls"] = len(own) < len(spec["controls"]), own
    noise = {**OTHER_NOISE, **(noise or {})}
    study = _made_up(root, spec, noise, sizes)
    for control, of in own.items():
        made = _made_up(root / control, of, noise, None if of["simulation"] else sizes)
        study.inputs |= {f"control_{control}_{file}": made.inputs[file] for file in FILES}
    if spec["reported"]:
        study.inputs["reported"] = REPORTED
    if has_arms:
        study.spec, study.inputs = within(study.spec, study.inputs, made_up_arms())
    return study


def shrunk(*experiments, seeds=5):
    """A change of the config that leaves the main comparison and some experiments, with so many seeds."""

    def change(content):
        named = config.read(REPOSITORY / "config/paper.yaml")["experiments"]
        for name in [*named, "imbalance_steps"]:
            if name not in ("main", *experiments):
                content["experiments"][name] = None
        content["controls"] = dict.fromkeys(content["controls"])
        content["seeds"] = list(range(1, seeds + 1))

    return change
