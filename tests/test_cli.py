"""The command line: a user's mistake and a defect of ours end in one line each; only the log holds a traceback."""

import ast
import json

import pytest

from alloymtl import cli
from alloymtl.errors import UserError
from alloymtl.sources import ROOT, sources


@pytest.fixture(autouse=True)
def quiet_log():
    """The command line adds handlers to the package's logger; other tests must not inherit them."""
    before = list(cli.log.handlers)
    yield
    cli.log.handlers[:] = before


def run(monkeypatch, tmp_path, error):
    def step(spec, inputs, outputs):
        raise error

    module = type("module", (), {"step": step})
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module)
    log = tmp_path / "logs" / "split.log"
    return cli.main(["split", "--in", "a=b", "--log", str(log)]), log


def test_a_users_mistake_is_one_line_with_the_log_named(monkeypatch, tmp_path, capsys):
    code, log = run(monkeypatch, tmp_path, UserError("h.csv, row 7", "wrong.", "mend it."))
    assert code == 1
    assert capsys.readouterr().err == f"error: h.csv, row 7: wrong. Mend: mend it. (log: {log})\n"
    assert "Traceback" not in log.read_text()


def test_a_defect_of_ours_is_one_line_on_the_terminal_and_a_traceback_in_the_log(monkeypatch, tmp_path, capsys):
    code, log = run(monkeypatch, tmp_path, ZeroDivisionError("oh"))
    assert code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert str(log) in said
    assert "ZeroDivisionError: oh" in log.read_text()


@pytest.mark.parametrize("step", cli.STEPS)
def test_every_step_is_a_function_of_specification_inputs_and_outputs(step):
    module, name = cli.STEPS[step].split(":")
    place = module.replace(".", "/")
    (file,) = [f for f in sources([module], ROOT) if f in (f"{place}.py", f"{place}/__init__.py")]
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    assert [argument.arg for argument in function.args.args] == ["spec", "inputs", "outputs"]


def test_a_specification_may_come_as_a_file(tmp_path):
    spec = {"unit": "μΩ·cm", "levels": ["all", 1000]}
    (tmp_path / "spec.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    for given, name in ((f"@{tmp_path / 'spec.json'}", "from_file"), (json.dumps(spec), "from_argument")):
        assert cli.main(["describe", "--spec", given, "--out", f"study={tmp_path / name}"]) == 0
        assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == {**spec, "controls": {}}
