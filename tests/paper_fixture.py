"""Made-up studies for the tests of the paper room: any tasks, any methods, every experiment; and the steps run on them.

``three`` and ``two`` have a main comparison alone, ``full`` every experiment and control of the whole study.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alloymtl.files import write_csv, write_parquet
from alloymtl.paper import layout
from alloymtl.run import FOLDERS
from paper_world import FILES, MadeUpStudy

REPOSITORY = Path(__file__).parents[1]
TEMPLATES = REPOSITORY / "paper"
REPORTED = TEMPLATES / "reported/2512.22740/tables.csv"
SEEDS = (42, 123, 456, 789, 1024)
EVALUATION = {
    "regression": ["r2", "rmse_z", "mae_z"],
    "classification": ["f1", "accuracy", "auc", "recall"],
    "alpha": 0.05,
    "threshold": 0.5,
    "equivalence_margin": 1.0,
}
TRAINING = {
    "engine": "reference",
    "hidden": [128, 128],
    "dropout": 0.3,
    "batch_size": 32,
    "learning_rate": 0.001,
    "weight_decay": 0.0001,
    "max_epochs": 200,
    "patience": 30,
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "checkpoint_seconds": 30,
}
DATA = {
    "elements": ["Al", "Co", "Fe", "Ni"],
    "composition_tolerance": 0.01,
    "decimals": 2,
    "invalid_rows": "stop",
    "other_elements": "stop",
    "repeats": "mean",
}
PLAIN = {
    "architecture": "hard",
    "loss": "mse",
    "smoothing": "none",
    "balancer": "none",
    "sampler": "uniform",
    "optimiser": "adam",
}


def method(values):
    """A method as the spec says it, from its title, parts, options and training settings."""
    parts = {kind: values.get(kind, PLAIN[kind]) for kind in FOLDERS}
    named = {k: {"name": name, "options": values.get("options", {}).get(k, {})} for k, name in parts.items()}
    return {"title": values["title"], **named, "training": {**TRAINING, **values.get("training", {})}}


def experiment(name, methods, comparisons=(), **more):
    """An experiment as the spec says it."""
    base = {"name": name, "methods": list(methods), "comparisons": [list(pair) for pair in comparisons]}
    return {**base, "levels": ["all"], "split_seeds": [42], "seeds": list(SEEDS), "keep": [], **more}


def specification(tasks, methods, experiments, simulated=True, **more):
    """A study as ``Study.to_paper_dict`` says it."""
    reported = more.pop("reported", None)
    paper = {"title": "When does learning fail?", "authors": ["A. N. Author"], "data_statement": "Made up & odd."}
    return {
        "study": "made_up",
        "title": "Made up",
        "simulated": simulated,
        "tasks": [{"name": n, **t} for n, t in tasks.items()],
        "methods": {n: method(m) for n, m in methods.items()},
        "experiments": experiments,
        "evaluation": EVALUATION,
        "paper": {**paper, "reported": reported},
        "split": {"kind": "stratified", "validation": 0.15, "test": 0.15, "strata": 10},
        "data": DATA,
        "simulation": {"seed": 6} if simulated else None,
        "diagnostics": {},
        "reported": reported,
        "controls": {},
        **more,
    }


def make(root, tasks, methods, comparisons, seeds=SEEDS, simulated=True, **more):
    """A study with a main comparison of all its methods and nothing else."""
    main = experiment("main", methods, comparisons, seeds=list(seeds), split_seeds=more.pop("split_seeds", [42]))
    spec = specification(tasks, methods, [main], simulated)
    noise = {n: m["noise"] for n, m in methods.items()}
    return MadeUpStudy(root, spec, more.pop("sizes"), noise, relations=more.pop("relations", ()))


THREE_TASKS = {
    "resistivity": {"kind": "regression", "title": "Resistivity", "unit": "uohm_cm"},
    "hardness": {"kind": "regression", "title": "Hardness", "unit": "GPa"},
    "amorphous": {
        "kind": "classification",
        "title": "Amorphous",
        "unit": "",
        "positive": "amorphous",
        "negative": "crystalline",
    },
}
SHARED_HEAD = {"architecture": {"head": 64}, "balancer": {"power": 1.0}}
GRAPH = {"head": 64, "embedding": 64, "alpha": 0.1, "lambda_sparse": 0.01, "lambda_self": 0.01}
THREE_METHODS = {
    "independent": {
        "title": "Independent",
        "architecture": "independent",
        "options": {"architecture": {"head": 0}},
        "noise": 0.3,
    },
    "hard": {"title": "Standard MTL", "balancer": "inverse_size", "options": SHARED_HEAD, "noise": 0.4},
    "structured": {
        "title": "Structured MTL",
        "architecture": "structured",
        "balancer": "inverse_size",
        "options": {**SHARED_HEAD, "architecture": GRAPH},
        "noise": 0.41,
    },
}
THREE_PAIRS = [["independent", "hard"], ["independent", "structured"], ["hard", "structured"]]
TWO_TASKS = {
    "density_at_rt": {"kind": "regression", "title": "Density_{RT} & more", "unit": "g/cm^3"},
    "tc": {"kind": "regression", "title": "Transition temperature", "unit": "furlong_per_day", "transform": "log10"},
}
TWO_METHODS = {
    "alone": {
        "title": "Alone",
        "architecture": "independent",
        "options": {"architecture": {"head": 32}},
        "noise": 0.4,
    },
    "joint": {"title": "Joint 50%", "architecture": "house_made", "training": {"dropout": 0.1}, "noise": 0.3},
}


def three(root, **more):
    """Three tasks, three methods, simulated data."""
    sizes = {"resistivity": 4000, "hardness": 800, "amorphous": 840}
    return make(root, THREE_TASKS, THREE_METHODS, THREE_PAIRS, sizes=sizes, relations=["structured"], **more)


def two(root, **more):
    """Two regression tasks with odd names, two methods, measured data."""
    sizes = {"density_at_rt": 300, "tc": 200}
    return make(root, TWO_TASKS, TWO_METHODS, [["alone", "joint"]], simulated=False, sizes=sizes, **more)


def _joint(title, noise=0.4, **parts):
    return {"title": title, "balancer": "inverse_size", "options": SHARED_HEAD, "noise": noise, **parts}


LEVELS = [1000, 5000, 10000, 25000, "all"]
LAMBDAS = {"0": "0", "1em4": "10^-4", "1em3": "10^-3", "1em2": "10^-2", "1em1": "10^-1", "1": "1"}
SOFT = {
    f"soft_{key}": {
        **_joint(f"Soft sharing, {value}", 0.35, architecture="soft"),
        "options": {**SHARED_HEAD, "architecture": {"head": 64, "coupling": float(key.replace("em", "e-"))}},
    }
    for key, value in LAMBDAS.items()
}
GRAPHS = {
    f"structured_{key}": _joint(f"Structured, {title}", architecture="structured")
    for key, title in {
        "no_penalty": "no penalty",
        "no_decay": "no weight decay",
        "strong_decay": "strong weight decay",
    }.items()
}
FULL_METHODS = {
    **THREE_METHODS,
    "independent_matched": {**THREE_METHODS["independent"], "title": "Independent, 64 units"},
    "lds": _joint("LDS", loss="lds"),
    "bmse": _joint("Balanced MSE", loss="bmc"),
    "gai": _joint("Balanced MSE (GAI)", loss="gai"),
    "bni": _joint("Balanced MSE (BNI)", loss="bni"),
    "gradnorm": _joint("GradNorm", balancer="gradnorm"),
    "pcgrad": _joint("PCGrad", 0.34, balancer="pcgrad"),
    "lds_gradnorm": _joint("LDS + GradNorm", loss="lds", balancer="gradnorm"),
    "lds_pcgrad": _joint("LDS + PCGrad", loss="lds", balancer="pcgrad"),
    "bmse_gradnorm": _joint("Balanced MSE + GradNorm", loss="bmc", balancer="gradnorm"),
    "bmse_pcgrad": _joint("Balanced MSE + PCGrad", loss="bmc", balancer="pcgrad"),
    "hard_stratified": _joint("Standard MTL, stratified", sampler="stratified"),
    "equal_stratified": _joint("Equal weights, stratified", balancer="none", sampler="stratified"),
    "gradnorm_stratified": _joint("GradNorm, stratified", balancer="gradnorm", sampler="stratified"),
    "pcgrad_stratified": _joint("PCGrad, stratified", balancer="pcgrad", sampler="stratified"),
    "fds": _joint("FDS", smoothing="fds"),
    "lds_fds": _joint("LDS + FDS", loss="lds", smoothing="fds"),
    "density": _joint("Density weights", loss="density"),
    **SOFT,
    **GRAPHS,
    "pcgrad_off": _joint("PCGrad, projection off", balancer="pcgrad"),
    "pcgrad_random": _joint("PCGrad, random sign", balancer="pcgrad"),
    "pcgrad_mean": _joint("PCGrad, mean", balancer="pcgrad"),
    "pcgrad_raw": _joint("PCGrad, raw losses", balancer="pcgrad"),
    "weights_sqrt": _joint("Square-root weights"),
    "weights_equal": _joint("Equal weights", balancer="none"),
    "inverse_label_mean": _joint("Inverse weights, mean over labels"),
    "sqrt_label_mean": _joint("Square-root weights, mean over labels"),
    "equal_label_mean": _joint("Equal weights, mean over labels", balancer="none"),
    "hard_per_task": _joint("Standard MTL, checkpoint per task"),
    "hard_fixed_steps": _joint("Standard MTL, fixed steps"),
    "gradient_norm": _joint("Gradient norms", 0.36, balancer="gradient_norm"),
    "gradient_norm_stratified": _joint("Gradient norms, stratified", balancer="gradient_norm", sampler="stratified"),
    "grid_search": _joint("Grid search", 0.35, balancer="grid_search"),
    "grid_search_stratified": _joint("Grid search, stratified", 0.36, balancer="grid_search", sampler="stratified"),
    "slaw": _joint("SLAW & more", balancer="slaw"),
    "slaw_stratified": _joint("SLAW, stratified", 0.33, balancer="slaw", sampler="stratified"),
    "transfer_scratch": _joint("From scratch", architecture="transfer"),
    "transfer_frozen": _joint("Frozen", architecture="transfer"),
    "transfer_random": _joint("Random, frozen", architecture="transfer"),
    "transfer_finetuned": _joint("Fine-tuned", architecture="transfer"),
}
REMEDIES = ["lds", "bmse", "gai", "bni", "gradnorm", "pcgrad", "lds_gradnorm", "lds_pcgrad", "bmse_gradnorm"]
SMOOTHED = ["fds", "lds", "lds_fds", "density"]
PROJECTIONS = ["pcgrad", "pcgrad_off", "pcgrad_random", "pcgrad_mean", "pcgrad_raw", "weights_equal"]
BALANCERS = ["weights_equal", "hard", "gradient_norm", "slaw", "pcgrad", "equal_stratified", "slaw_stratified"]
BALANCERS += ["grid_search", "grid_search_stratified", "gradient_norm_stratified"]
SCALED = ["weights_equal", "equal_stratified", "gradient_norm", "gradient_norm_stratified"]
WEIGHTINGS = ["weights_sqrt", "weights_equal", "inverse_label_mean", "sqrt_label_mean", "equal_label_mean"]
SAMPLED = {"hard": "hard", "weights_equal": "equal", "gradnorm": "gradnorm", "pcgrad": "pcgrad"}


def _against(baseline, methods):
    return [[baseline, m] for m in methods]


def full_experiments():
    """Every experiment of the whole study."""
    weightings = ["hard", *WEIGHTINGS, "hard_per_task"]
    samplers = [[name, f"{stem}_stratified"] for name, stem in SAMPLED.items()]
    transfers = [f"transfer_{arm}" for arm in ("frozen", "random", "finetuned")]
    return [
        experiment("main", THREE_METHODS, THREE_PAIRS),
        experiment(
            "capacity",
            ["independent", "independent_matched", "hard"],
            [["independent", "independent_matched"], ["independent_matched", "hard"]],
        ),
        experiment("imbalance", ["hard"], levels=LEVELS),
        experiment("imbalance_steps", ["hard_fixed_steps"], levels=LEVELS),
        experiment("conflict", ["hard", "weights_equal", "hard_stratified"], keep=["gradients"]),
        experiment("transfer", ["transfer_scratch", *transfers], _against("transfer_scratch", transfers)),
        experiment("mitigation", ["hard", *REMEDIES, "bmse_pcgrad"], _against("hard", [*REMEDIES, "bmse_pcgrad"])),
        experiment("samplers", [m for pair in samplers for m in pair], samplers),
        experiment(
            "fds", ["hard", "fds", "lds", "lds_fds", "density"], _against("hard", ["fds", "lds_fds", "density"])
        ),
        experiment("soft", ["hard", *SOFT], _against("hard", SOFT), keep=["predictions"]),
        experiment("relations", ["structured", *GRAPHS], _against("structured", GRAPHS)),
        experiment("pcgrad_controls", ["hard", *PROJECTIONS], _against("hard", PROJECTIONS)),
        experiment(
            "weighting",
            ["independent", *weightings],
            [*_against("independent", weightings), *_against("hard", weightings[1:])],
        ),
        experiment("balancing", ["independent", *BALANCERS], levels=[1000, "all"], keep=["histories"]),
        experiment("imbalance_norms", SCALED, levels=[1000, "all"], keep=["gradients", "histories"]),
    ]


PLANTED_TASKS = {
    name: {"kind": "regression", "title": name.replace("_", " ").capitalize(), "unit": "GPa"}
    for name in ("hardness", "yield_strength", "resistivity", "thermal_conductivity")
}


def grouped_control(root):
    """The main comparison on another split."""
    split = {"kind": "grouped", "validation": 0.15, "test": 0.15, "strata": 10}
    spec = specification(THREE_TASKS, THREE_METHODS, [experiment("main", THREE_METHODS, THREE_PAIRS)], split=split)
    noise = {"independent": 0.5, "hard": 0.52, "structured": 0.55}
    sizes = {"resistivity": 4000, "hardness": 800, "amorphous": 840}
    return MadeUpStudy(root, spec, sizes, noise, relations=["structured"])


def planted_control(root):
    """Simulated tasks in two clusters that share functions."""
    names = ["independent", "weights_equal", "structured", "structured_no_penalty"]
    methods = {name: FULL_METHODS[name] for name in names}
    main = experiment("main", methods, _against("independent", names[1:]))
    simulation = {"seed": 6, "relatedness": 1.0, "latent_per": "cluster", "rows": dict.fromkeys(PLANTED_TASKS, 1000)}
    spec = specification(PLANTED_TASKS, methods, [main], simulation=simulation)
    noise = {n: m["noise"] for n, m in methods.items()}
    return MadeUpStudy(root, spec, dict.fromkeys(PLANTED_TASKS, 1000), noise, relations=names[2:])


def full(root, reported="2512.22740"):
    """Every experiment and both control studies; ``reported`` may be None."""
    controls = {"grouped": grouped_control(root / "grouped"), "planted": planted_control(root / "planted")}
    specs = {name: study.spec for name, study in controls.items()}
    simulation = {"seed": 6, "relatedness": 0.0, "latent_per": "all", "rows": {}}
    spec = specification(
        THREE_TASKS, FULL_METHODS, full_experiments(), reported=reported, controls=specs, simulation=simulation
    )
    noise = {n: m["noise"] for n, m in FULL_METHODS.items()}
    sizes = {"resistivity": 52388, "hardness": 800, "amorphous": 840}
    study = MadeUpStudy(root, spec, sizes, noise, relations=["structured", *GRAPHS], similar=SOFT)
    for name, control in controls.items():
        study.inputs |= {f"control_{name}_{file}": control.inputs[file] for file in FILES}
    if reported:
        study.inputs["reported"] = REPORTED
    return study


def on_other_tasks(root, tasks):
    """Every experiment on other tasks than those of the reported paper, whose names the code cannot know."""
    sizes = {name: 900 - 40 * place for place, name in enumerate(tasks)} | {next(iter(tasks)): 52388}
    noise = {name: m["noise"] for name, m in FULL_METHODS.items()}
    spec = specification(tasks, FULL_METHODS, full_experiments())
    return MadeUpStudy(root, spec, sizes, noise, relations=["structured", *GRAPHS], similar=SOFT)


def paths(names):
    return {name: Path(path) for name, path in names.items()}


def run_tables(study, root):
    files = paths(layout.table_files(str(root)))
    import_module("alloymtl.paper.tables").step(study.spec, study.inputs, files)
    return files


def run_figures(study, root):
    files = paths(layout.figure_files(str(root)))
    import_module("alloymtl.paper.figures").step(study.spec, study.inputs, files)
    return files


def run_numbers(study, root):
    files = {"numbers": root / "paper/numbers.tex", "numbers_json": root / "paper/numbers.json"}
    import_module("alloymtl.paper.numbers").step(study.spec, study.inputs, files)
    return files


def run_render(study, root, templates=TEMPLATES):
    files = {"pdf": "paper.pdf", "tex": "paper.tex", "source": "paper-arxiv.tar.gz"}
    files = {name: root / "paper" / file for name, file in files.items()}
    import_module("alloymtl.paper.render").step(study.spec, paths(layout.render_files(str(root), templates)), files)
    return files


def build(study, root):
    return {**run_tables(study, root), **run_figures(study, root), **run_numbers(study, root)}


needs_latex = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="latexmk or pdflatex is not installed"
)


def without(study, root, name, drop):
    """A copy of a study's inputs in which some rows of one file are gone or changed."""
    changed = drop(pd.read_parquet(study.inputs[name]))
    write_parquet(root / f"{name}.parquet", changed)
    copy = object.__new__(MadeUpStudy)
    copy.spec, copy.inputs = study.spec, {**study.inputs, name: root / f"{name}.parquet"}
    return copy


def sharing(study, root, first, second, both):
    """A copy of a study's inputs in which so many alloys have labels of two tasks."""
    table = pd.read_csv(study.inputs["profile_overlap"])
    pair = [{a, b} == {first, second} for a, b in zip(table["task_a"], table["task_b"], strict=True)]
    either = study.sizes[first] + study.sizes[second] - both
    table.loc[pair, ["both", "either"]] = both, either
    copy = without(study, root, "conflict", lambda conflict: conflict)
    copy.inputs["profile_overlap"] = root / "profile_overlap.csv"
    write_csv(copy.inputs["profile_overlap"], table.assign(jaccard=table["both"] / table["either"]))
    return copy


def drop_one_run(table, **wanted):
    """A table without the rows that agree with all that is wanted."""
    keep = np.ones(len(table), dtype=bool)
    for column, value in wanted.items():
        keep &= (table[column] == value).to_numpy()
    return table[~keep]
