"""Step ``audit``: what does not add up, in the tables of the reported paper and in the study's own results."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.audit import printed, statistical  # noqa: F401  (their checks register themselves)
from alloymtl.evaluation.audit.registry import NOTE, OK, run_all
from alloymtl.evaluation.audit.tables import Audited, Row, own_table, sizes_of, sizes_of_split
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.reported import Claims, read_claims, read_tables
from alloymtl.evaluation.synergy import changed
from alloymtl.experiment import MAIN, Experiment
from alloymtl.files import read_parquet, write_csv
from alloymtl.run import FOLDERS, run_folder

COLUMNS = ("check", "where", "severity", "found", "verdict", "mend")
IDENTICAL = "identical predictions"


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``audit`` (CSV): findings on the reported tables, where there are any, then on the study's own.

    Verdicts: ``ok``, ``note`` (a fact to keep in mind) and ``red flag``. ``severity`` says how much hangs on it,
    ``mend`` what this project does about it.

    Args:
        spec: the study, as ``alloymtl.study.Study.to_paper_dict`` says it; optionally ``twins``, pairs of methods that
            are meant to predict the same.
        inputs: ``metrics``, ``runs``, ``split`` and ``relations``; where the study names a paper, its tables
            ``reported`` and its file of claims ``claims``.
        outputs: ``audit``.

    Raises:
        UserError: two methods that are not the same predict the same.
    """
    experiments = tuple(Experiment.from_dict(e) for e in spec["experiments"])
    twins = [set(pair) for pair in spec.get("twins", ())]
    split = sizes_of_split(read_parquet(inputs["split"]))
    kinds = {task["name"]: task["kind"] for task in spec["tasks"]}
    sizes = {task: sum(split[task].values()) for task in kinds}
    rows = identical_predictions(read_parquet(inputs["runs"]), spec["methods"], twins, spec["study"], sizes, kinds)
    if "reported" in inputs:
        paper = reported(inputs["reported"], read_claims(inputs["claims"]), spec, experiments)
        rows = [*run_all(paper), *rows]
    rows += run_all(own(spec, inputs, experiments))
    write_csv(outputs["audit"], pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS)))


def reported(path: Path, claims: Claims, spec: Mapping[str, Any], experiments: tuple[Experiment, ...]) -> Audited:
    """The reported paper as something to audit."""
    table = read_tables(path)
    return Audited(
        source=claims.source,
        reported=True,
        table=table,
        replicates=claims.replicates,
        batch_size=claims.batch_size,
        sizes=sizes_of(table),
        methods=spec["methods"],
        experiments=experiments,
        claims=claims,
    )


def own(spec: Mapping[str, Any], inputs: Mapping[str, Path], experiments: tuple[Experiment, ...]) -> Audited:
    """The study's own results as something to audit."""
    main = next(e for e in experiments if e.name == MAIN)
    return Audited(
        source=f"study {spec['study']}",
        reported=False,
        table=own_table(read_parquet(inputs["metrics"]), read_parquet(inputs["relations"]), experiments),
        replicates=len(main.split_seeds) if len(main.split_seeds) > 1 else len(main.seeds),
        batch_size=spec["methods"][main.methods[-1]]["training"]["batch_size"],
        sizes=sizes_of_split(read_parquet(inputs["split"])),
        methods=spec["methods"],
        experiments=experiments,
        primary=tuple(spec["evaluation"][kind][0] for kind in NAMES),
    )


def without_effect(
    one: Mapping[str, Any], other: Mapping[str, Any], sizes: Mapping[str, int], kinds: Mapping[str, str], level: str
) -> set[str]:
    """Parts in which two methods differ by name or option, though on these data the difference changes no step.

    Static weights of equally large tasks are all 1 whatever their power, and the loss of a regression and the smoothing
    by its label have nothing to do where every task is a class.

    Args:
        one: parts of a method by kind.
        other: those of another.
        sizes: labels of each task.
        kinds: kind of each task.
        level: how many labels of the largest task are kept.
    """
    found = set() if "regression" in kinds.values() else {"loss", "smoothing"}
    counts = np.array(list(sizes.values()))
    if level != "all":
        counts[counts.argmax()] = int(level)
    modules = [importlib.import_module(f"alloymtl.methods.balancers.{m['balancer']['name']}") for m in (one, other)]
    if not any(hasattr(module, "GRADIENTS") for module in modules):
        first, second = (
            module.coefficients(counts, m["balancer"]["options"])
            for module, m in zip(modules, (one, other), strict=True)
        )
        if np.array_equal(first, second):
            found.add("balancer")
    return found


def identical_predictions(
    runs: pd.DataFrame,
    methods: Mapping[str, Any],
    twins: Iterable[set[str]],
    study: str,
    sizes: Mapping[str, int],
    kinds: Mapping[str, str],
) -> list[Row]:
    """Whether two methods predict exactly the same in a run of the same level, split and seed.

    Methods that differ in their parts must differ in their predictions. Those that differ in training settings alone
    (another rule of stopping, say) may by chance agree in a run, and those whose difference means nothing on these data
    (see ``without_effect``) must; both are noted.

    Args:
        runs: ``method``, ``level``, ``split_seed``, ``seed`` and ``predictions_sha256``.
        methods: parts and training settings of each method.
        twins: pairs that are meant to be the same.
        study: its name.
        sizes: labels of each task.
        kinds: kind of each task.

    Raises:
        UserError: two methods that differ in their parts, or in nothing at all, predict the same.
    """
    rows, meant = [], list(twins)
    keys = ["level", "split_seed", "seed"]
    for (level, split_seed, seed), own_runs in runs.groupby(keys, sort=False):
        for _, same in own_runs.groupby("predictions_sha256", sort=False):
            for one, other in combinations(same["method"], 2):
                where = run_folder(other, level, split_seed, seed)
                if {one, other} in meant:
                    continue
                differs = changed(methods[one], methods[other])
                if not differs:
                    what = f"methods {one!r} and {other!r} are the same method under two names."
                    raise UserError("config: methods", what, "remove one of them.")
                if set(differs) & set(FOLDERS) - without_effect(methods[one], methods[other], sizes, kinds, str(level)):
                    what = f"predicts exactly what {one!r} predicts, though its {', '.join(sorted(differs))} differs."
                    mend = "one of them has no effect: correct it, or leave one method out."
                    raise UserError(where, what, mend)
                found = f"{other} predicts exactly what {one} predicts; they differ in {', '.join(sorted(differs))}."
                mend = "count them as one run."
                rows.append(Row(IDENTICAL, where, "low", found, NOTE, mend))
    if not rows:
        found = f"no two methods predict the same in any of {len(runs):,} runs."
        rows.append(Row(IDENTICAL, f"study {study}", "info", found, OK, ""))
    return rows
