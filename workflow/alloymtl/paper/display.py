"""How metrics, units and partitions are called in tables, figures and text."""

from __future__ import annotations

from collections.abc import Iterable

from alloymtl.errors import UserError, suggestion
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER
from alloymtl.paper.latex import Tex, decimals_for, escape
from alloymtl.task import Task

PARTITIONS = {"train": "training", "validation": "validation", "test": "test"}
STANDARDISED = "_z"
SPLITS = {
    "stratified": "random split",
    "grouped": "split by chemical system",
    "clustered": "split by composition cluster",
}


# Name in LaTeX of a metric. One that is not here is called by its name in the config.
TITLES = {
    "r2": "$R^2$",
    "rmse": "RMSE",
    "mae": "MAE",
    "p95_error": "P95 error",
    "p99_error": "P99 error",
    "max_error": "Maximum error",
    "worst10_mae": r"Worst-10\,\% MAE",
    "f1": "F1",
    "accuracy": "Accuracy",
    "auc": "AUC",
    "recall": "Recall",
    "precision": "Precision",
    "average_precision": "Average precision",
}

# What else is measured: likeness of two backbones, and cosines between the gradients of two tasks.
MEASURES = {
    "weight_cosine": Tex("Cosine of weights"),
    "cka": Tex("CKA"),
    "minibatch": Tex("Minibatches"),
    "large": Tex("Large batch"),
    "corrected": Tex("Corrected for noise"),
}

# Unit in a config -> (LaTeX, matplotlib's mathtext). A unit that is not here is set as it is written.
UNITS = {
    "uohm_cm": (r"\textmu\ensuremath{\Omega}\,cm", r"$\mathrm{\mu\Omega}\,$cm"),
    "ohm_m": (r"\ensuremath{\Omega}\,m", r"$\mathrm{\Omega}\,$m"),
    "ohm_cm": (r"\ensuremath{\Omega}\,cm", r"$\mathrm{\Omega}\,$cm"),
    "degC": (r"\ensuremath{^\circ}C", r"$^\circ$C"),
    "percent": (r"\%", r"%"),
    "%": (r"\%", r"%"),
    "g/cm^3": (r"g\,cm\ensuremath{^{-3}}", r"g$\,$cm$^{-3}$"),
    "g/cm**3": (r"g\,cm\ensuremath{^{-3}}", r"g$\,$cm$^{-3}$"),
    "kJ/mol": (r"kJ\,mol\ensuremath{^{-1}}", r"kJ$\,$mol$^{-1}$"),
    "S/m": (r"S\,m\ensuremath{^{-1}}", r"S$\,$m$^{-1}$"),
    "MS/m": (r"MS\,m\ensuremath{^{-1}}", r"MS$\,$m$^{-1}$"),
    "W/m/K": (r"W\,m\ensuremath{^{-1}}\,K\ensuremath{^{-1}}", r"W$\,$m$^{-1}\,$K$^{-1}$"),
    "dimensionless": ("1", "1"),
}


def higher_is_better(name: str) -> bool:
    """Whether a larger value of a metric means better predictions.

    Raises:
        UserError: no such metric.
    """
    if name not in HIGHER_IS_BETTER:
        where = f"evaluation: metric {name!r}"
        raise UserError(where, "there is no such metric.", suggestion(name, list(HIGHER_IS_BETTER)))
    return HIGHER_IS_BETTER[name]


def has_unit(name: str) -> bool:
    """Whether a metric is an error in the task's own unit (others are scores, or errors in training SDs)."""
    return name + STANDARDISED in HIGHER_IS_BETTER


def unit(task: Task) -> Tex:
    """A task's unit in LaTeX; empty for a class."""
    return Tex(UNITS[task.unit][0]) if task.unit in UNITS else escape(task.unit)


def unit_in_figure(task: Task) -> str:
    """A task's unit in matplotlib's mathtext; empty for a class."""
    return UNITS[task.unit][1] if task.unit in UNITS else figure_text(task.unit)


def metric_title(name: str) -> Tex:
    """Name of a metric in running text; a subscript z marks an error in units of the training SD."""
    base = name.removesuffix(STANDARDISED)
    title = TITLES.get(base, escape(base.replace("_", " ")))
    return Tex(title if base == name else rf"{title}$_{{z}}$")


def metric_heading(name: str, task: Task) -> Tex:
    """Name of a metric in a table, with the unit of what it measures."""
    return Tex(f"{metric_title(name)} ({unit(task)})" if has_unit(name) and task.unit else metric_title(name))


def metric_decimals(name: str, values: Iterable[float]) -> int:
    """Decimals of a metric: three where it is a score or in units of an SD, else by the size of the values."""
    return decimals_for(values) if has_unit(name) else 3


# Characters that the Computer Modern text font of the figures holds at other places than Unicode does.
_MISPLACED = {
    "\\": r"$\backslash$",
    "$": r"\$",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "_": r"$\_$",
    "{": r"$\{$",
    "}": r"$\}$",
    '"': "\u201d",
    "-": "\u2010",
    "^": r"$\wedge$",
    "~": r"$\sim$",
    "·": r"$\cdot$",
}


def figure_text(text: str) -> str:
    """Text of the config for a figure, safe from mathtext and from the font's own encoding."""
    return "".join(_MISPLACED.get(character, character) for character in text)
