"""The environment is what its files say: one lock, a conda file with its versions, nothing imported in secret."""

import ast
import re
import sys
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def requirements(name):
    lines = (ROOT / "envs" / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(text) for line in lines if (text := line.partition("#")[0].strip())]


def lock():
    pinned = {}
    for r in requirements("requirements.lock"):
        operators = [s.operator for s in r.specifier]
        assert operators == ["=="], f"{r} is not pinned"
        assert r.name not in pinned, f"{r.name} is pinned twice"
        pinned[canonicalize_name(r.name)] = r
    return pinned


def version(requirement):
    return next(iter(requirement.specifier)).version


def direct():
    return {canonicalize_name(r.name) for r in requirements("requirements.in")}


def test_the_lock_pins_every_direct_requirement_and_no_cuda():
    pinned = lock()
    assert direct() <= set(pinned)
    assert version(pinned["torch"]) == "2.13.0"
    assert not [n for n in pinned if n.startswith(("nvidia", "cuda", "triton")) or n in {"pip", "wheel"}]


def test_the_conda_environment_holds_the_direct_requirements_in_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "envs" / "pipeline.yaml").read_text(encoding="utf-8"))
    assert environment["channels"][:2] == ["conda-forge", "bioconda"]
    listed = {}
    for entry in environment["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, wanted = re.match(r"([\w.-]+)\s*(==?)?(.*)", text).groups()
            listed[CONDA_NAMES.get(name, name)] = wanted
    del listed["python"], listed["pip"]
    assert listed == {name: version(lock()[name]) for name in direct()}


def test_this_environment_is_the_lock():
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    different = {
        name: installed.get(name)
        for name, r in lock().items()
        if (r.marker is None or r.marker.evaluate())
        # A CPU or CUDA build of the same version has a local part, such as +cpu.
        and (name not in installed or Version(installed[name]).public != version(r))
    }
    assert not different, f"not as envs/requirements.lock says: {different}; run make setup"


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("folder", ["workflow", "tests", "envs", "bench"])
def test_whatever_is_imported_is_a_direct_requirement(folder):
    providers = packages_distributions()
    files = sorted((ROOT / folder).rglob("*.py"))
    own = {"alloymtl", *(p.stem for p in files), *(p.parent.name for p in files)}
    secret = {}
    for path in files:
        for package in {module.partition(".")[0] for module in imports(path)} - own - set(sys.stdlib_module_names):
            if not {canonicalize_name(d) for d in providers.get(package, [])} & direct():
                secret.setdefault(package, []).append(str(path.relative_to(ROOT)))
    assert not secret, f"add to envs/requirements.in: {secret}"
