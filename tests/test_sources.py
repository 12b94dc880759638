"""The structure: which code a step depends on, and which room may import which."""

import ast
from pathlib import Path

import pytest

from alloymtl import components
from alloymtl.config import read
from alloymtl.run import FOLDERS, Part
from alloymtl.sources import sources
from alloymtl.study import Study

PACKAGE = Path(__file__).parents[1] / "workflow" / "alloymtl"
CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"
ROOMS = ["data", "methods", "training", "evaluation", "paper"]


def names(*modules):
    return {Path(f).relative_to("alloymtl").as_posix() for f in sources(modules, PACKAGE.parent)}


ENGINES = {
    "reference": {"engine", "networks/shared", "networks/layers", "losses/squared"},
    "compiled": {"engine", "layout", "kernels/epoch", "kernels/losses", "jit"},
}


@pytest.mark.parametrize("engine", ENGINES)
def test_training_depends_on_its_method_and_engine_and_on_no_other_nor_on_what_only_reports(engine):
    config = read(CONFIG)
    method = Study.from_config({**config, "training": {**config.get("training", {}), "engine": engine}}, "cfg").methods[
        "hard"
    ]
    hard = names("alloymtl.evaluation.job", *method.modules())
    assert {"training/dataset.py", "evaluation/metrics.py", "methods/architectures/hard.py"} <= hard
    assert {"methods/losses/mse.py", *(f"training/{engine}/{file}.py" for file in ENGINES[engine])} <= hard
    others = {"methods/architectures/structured.py", "methods/losses/gai.py", "methods/balancers/pcgrad.py"}
    assert not hard & others
    assert not hard & {"training/reference/networks/structured.py", "training/reference/losses/mixture.py"}
    assert not [f for f in hard for other in ENGINES if other != engine and f.startswith(f"training/{other}/")]
    unrelated = ("paper/", "progress/", "data/", "study.py", "config.py", "cli.py", "evaluation/compare.py")
    assert not [f for f in hard if f.startswith(unrelated) and f != "data/__init__.py"]


def test_reading_a_config_decides_neither_data_nor_figures():
    for step in ("data.ingest", "data.features", "data.split", "evaluation.collect", "paper.figures", "paper.render"):
        assert not names(f"alloymtl.{step}") & {"study.py", "config.py", "components.py", "cli.py"}, step


def test_a_figure_depends_on_the_paper_room_and_not_on_training():
    figures = names("alloymtl.paper.figures")
    assert "paper/figures/__init__.py" in figures
    assert not [f for f in figures if f.startswith("training/")]


def test_a_data_file_belongs_to_the_module_of_its_name():
    assert {"data/elements.py", "data/elements.csv"} <= names("alloymtl.data.features")


def imported(file):
    """Modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("room", ROOMS)
def test_a_lower_room_never_imports_a_higher_one(room):
    higher = {f"alloymtl.{r}" for r in ROOMS[ROOMS.index(room) + 1 :]}
    for file in (PACKAGE / room).rglob("*.py"):
        for module in imported(file):
            assert not any(module == h or module.startswith(f"{h}.") for h in higher), f"{file.name}: {module}"


def test_torch_is_imported_by_the_reference_engine_alone():
    importing = {
        f.relative_to(PACKAGE) for f in PACKAGE.rglob("*.py") if any(m.startswith("torch") for m in imported(f))
    }
    assert importing
    assert all(file.is_relative_to("training/reference") for file in importing), importing


@pytest.mark.parametrize(("kind", "folder"), [("architecture", "networks"), ("loss", "losses")])
def test_the_reference_engine_has_a_module_for_the_form_of_each_architecture_and_loss(kind, folder):
    stated = {Part(kind, name, {}).form for name in components.names(kind)}
    there = {f.stem for f in (PACKAGE / "training" / "reference" / folder).glob("[!_]*.py")} - {"layers"}
    assert stated == there


@pytest.mark.parametrize("kind", FOLDERS)
def test_parts_are_found_by_file_name_with_their_options(kind):
    assert components.names(kind)
    for name in components.names(kind):
        assert components.resolve(kind, name, {}, "methods.m") == components.resolve(kind, name, {}, "methods.m")
    assert "__init__" not in components.names(kind)
