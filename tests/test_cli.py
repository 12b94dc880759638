"""The command line: a user's mistake and a defect of ours end in one line each; only the log holds a traceback."""

import pytest

from alloymtl import cli
from alloymtl.errors import UserError


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
