"""Whatever lies in a raw file, every row is accounted for or one line says what is wrong; nothing else happens."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.data.elements import symbols
from alloymtl.data.rows.formula import FormulaError, parse_formula
from alloymtl.data.rows.numbers import listed, numbers, readings

HERE = Path(__file__).parent
PUBLIC = HERE.parents[1] / "shared/data"
CASES = 2200
PROCESSES = 2
PEAK_MIB = 1536  # above what the libraries take; a bomb may fill the bounds of alloymtl/data/raw/limits.py, and no more


def test_thousands_of_spoiled_files_and_configs_end_in_a_data_set_or_in_one_line(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "temporary")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
    (tmp_path / "temporary").mkdir()
    (tmp_path / "cases").mkdir()
    public = str(PUBLIC) if PUBLIC.is_dir() else ""
    command = [sys.executable, str(HERE / "fuzz_driver.py"), str(tmp_path / "cases"), public, str(CASES)]
    children = [
        subprocess.Popen(
            [*command, str(shard), str(PROCESSES)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / f"stderr{shard}").open("w"),
            text=True,
        )
        for shard in range(PROCESSES)
    ]
    ended = {"0": 0, "1": 0}
    rows = 0
    outputs = [child.communicate()[0] for child in children]
    for shard, (child, output) in enumerate(zip(children, outputs, strict=True)):
        last = (tmp_path / f"cases/now{shard}").read_text(encoding="utf-8")
        said = (tmp_path / f"stderr{shard}").read_text(encoding="utf-8", errors="replace")
        assert child.returncode == 0, f"a process died of case {last}: {said[-3000:]}"
        found = json.loads(output.splitlines()[-1])
        assert found["failures"] == [], "\n".join(found["failures"][:20])
        assert found["peak_mib"] < PEAK_MIB
        assert said == ""
        rows += found["rows"]
        ended = {status: count + found["ended"][status] for status, count in ended.items()}
        print(f"{found['ended']}, peak {found['peak_mib']} MiB, slowest {found['slowest'][-1]}")
    print(f"{ended['0']} cases ended in a data set, of {rows} raw rows, and {ended['1']} in a message")
    assert sum(ended.values()) == CASES
    assert min(ended.values()) > CASES / 4
    assert list((tmp_path / "temporary").iterdir()) == []


SIGNS = "()[]{}0123456789.,+-eE \t\0AlFeCoXx₂·５−٣'\"\\"
pieces = st.sampled_from([*SIGNS, "1e999", "Al", "Fe2", "(CoCr)50", "NaN"])
cells = st.one_of(st.text(), st.lists(pieces).map("".join), st.floats().map(repr), st.integers().map(str))


@settings(max_examples=300, deadline=None)
@given(cells)
def test_any_text_is_a_formula_of_finite_amounts_or_said_to_be_none(text):
    try:
        amounts = parse_formula(text)
    except FormulaError:
        return
    assert set(amounts) <= symbols()
    assert amounts
    assert all(math.isfinite(amount) and amount >= 0 for amount in amounts.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(cells))
def test_any_cells_are_numbers_or_none_whatever_stands_beside_them(texts):
    found = numbers(pd.Series(texts, dtype=str))
    alone = [numbers(pd.Series([text], dtype=str))[0] for text in texts]
    assert found.dtype == float
    np.testing.assert_array_equal(found, np.array(alone, dtype=float))
    single = readings(pd.Series(texts, dtype=str))
    assert (single.counts >= 1).all()
    assert not (single.spread < 0).any()
    np.testing.assert_array_equal(single.mean[~np.isnan(found)], found[~np.isnan(found)])


@pytest.mark.parametrize("pattern", ["{}", " {} ", "+{}"])
@settings(max_examples=200, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_written_is_the_number_that_is_read(pattern, value):
    written = pattern.format(repr(abs(value)))
    assert numbers(pd.Series([written.strip()], dtype=str)).tolist() == [abs(value)]


@settings(max_examples=300, deadline=None)
@given(st.one_of(cells, st.lists(cells).map(lambda items: json.dumps(items, ensure_ascii=False))))
def test_any_cell_is_a_list_of_texts(cell):
    assert all(isinstance(item, str) for item in listed(cell))


@given(st.lists(st.from_regex(r"[A-Z][a-z]?|\d{1,3}\.\d", fullmatch=True), min_size=1))
def test_a_list_is_read_back_as_it_was_written(items):
    assert listed(json.dumps(items)) == listed(", ".join(items)) == items
