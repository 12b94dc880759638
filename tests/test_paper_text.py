"""The text of the paper: its numbers, the sentences that its verdicts choose, and the PDF, for any study."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.paper import layout, templates
from alloymtl.paper.latex import Tex
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import PaperStudy
from paper_fixture import (
    TEMPLATES,
    TWO_METHODS,
    TWO_TASKS,
    build,
    make,
    needs_latex,
    paths,
    run_numbers,
    run_render,
    run_tables,
    without,
)
from paper_text_fixture import shipped, shrunk

CONTROLS = ["grouped", "planted"]
SOURCES = [{"path": "raw.csv", "label": "phase", "classes": {"X": 0, "O": 1}, "composition": {"basis": "at.%"}}]
SECTIONS = {
    "imbalance": "Imbalance between tasks",
    "conflict": "Conflict of gradients",
    "transfer": r"\subsection{Transfer}",
    "mitigation": r"\subsection{Remedies}",
    "fds": "Smoothing of features",
    "soft": r"\subsection{Soft sharing}",
    "relations": "What drives the strengths",
    "weighting": "Weights of the losses",
    "pcgrad_controls": "What of gradient projection helps",
    "samplers": "Batches that hold every task",
    "capacity": "Size of the heads",
    "balancing": "Balancing of tasks",
    "grouped": "Another split",
    "planted": "Planted relations",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The shipped quick study with made-up results: the study, its folder, and its numbers."""
    root = tmp_path_factory.mktemp("shipped")
    study = shipped(root / "in", "quick")
    return study, root, run_numbers(study, root)


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """The same with two more tasks, measured, on several splits."""

    def change(config):
        config["tasks"] |= {
            "thermal_conductivity": {"kind": "regression", "title": "Thermal conductivity", "unit": "W/m/K"},
            "yield_strength": {"kind": "regression", "title": "Yield strength & more", "unit": "MPa"},
        }
        config["simulation"]["rows"] |= {"thermal_conductivity": 900, "yield_strength": 500}
        config |= {"seeds": [1, 2], "split_seeds": [1, 2, 3]}

    root = tmp_path_factory.mktemp("five")
    study = shipped(root / "in", "quick", change)
    return study, root, run_numbers(study, root)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The same with one task, so that there is no pair of tasks anywhere."""

    def change(config):
        config["tasks"] = {"hardness": config["tasks"]["hardness"]}
        config["simulation"]["rows"] = {"hardness": 400}
        config["controls"]["planted"] = None
        for name in ("imbalance", "imbalance_equal", "imbalance_steps"):
            config["experiments"][name] = None

    root = tmp_path_factory.mktemp("one")
    study = shipped(root / "in", "quick", change)
    return study, root, run_numbers(study, root)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One task of classes, measured, whose measurements are kept apart; split by clusters; traces, and no reject."""

    def change(config):
        config |= {"simulation": None, "split_seeds": [1, 2, 3], "study": "kept"}
        config["tasks"] = {"amorphous": {**config["tasks"]["amorphous"], "sources": SOURCES}}
        config["data"] = {"repeats": "keep", "invalid_rows": "reject", "traces": 0.5}
        config["split"] = {"kind": "clustered", "clusters": 40}
        config["controls"]["planted"] = None
        for name in ("imbalance", "imbalance_equal", "imbalance_steps"):
            config["experiments"][name] = None

    root = tmp_path_factory.mktemp("kept")
    study = shipped(root / "in", "quick", change, sizes={"amorphous": 420})
    report = json.loads(study.inputs["ingest"].read_text())
    report["sources"][0] |= {"rows": 420, "rejected": 0, "traces": 7}
    study.inputs["ingest"].write_text(json.dumps({**report, "summary": [], "reasons": {}}))
    study.inputs["rejects"].write_text("file,task,rule,reason\n")
    return study, root, run_numbers(study, root)


@pytest.fixture(params=["simulated", "measured", "whole", "five", "one", "kept"])
def any_study(request):
    """Each of the made-up studies in turn."""
    return request.getfixturevalue(request.param)


def facts_of(files):
    return json.loads(files["numbers_json"].read_text())["facts"]


def numbers_of(files):
    return json.loads(files["numbers_json"].read_text())["numbers"]


def rendered(study, files):
    spec = PaperStudy.from_spec(study.spec)
    found = {f.name: f for f in TEMPLATES.glob("*.tex.j2")}
    return templates.render(spec, json.loads(files["numbers_json"].read_text()), found)


def words(study, files):
    return " ".join(rendered(study, files).split())


# Numbers.


def test_nan_is_refused_as_a_number():
    with pytest.raises(UserError, match="number x"):
        Store().add("x", float("nan"), Tex("nan"))


def test_a_store_below_another_has_its_numbers_and_facts_of_its_own():
    store = Store()
    below = store.below("control.grouped")
    below.count("n", 3)
    below.facts["n"] = True
    assert list(store.numbers) == ["control.grouped.n"]
    assert not store.facts


def test_numbers_say_what_the_tables_say(simulated):
    _, _, files = simulated
    content = numbers_of(files)
    for row in pd.read_csv(files["table2_comparison_csv"]).itertuples():
        key = f"score.main.{row.method}.{row.task}.{row.metric}"
        assert content[f"{key}.mean"] == {"value": row.mean, "text": f"{row.mean:.3f}"}
        assert content[f"{key}.sd"]["value"] == row.sd


def test_reported_numbers_keep_their_printed_digits(whole):
    content = numbers_of(whole[2])
    assert content["reported.main.independent.resistivity.r2.mean"]["text"] == "0.897"
    assert content["reported.main.hard.amorphous.f1.sd"]["text"] == "0.050"
    assert content["reported.gain"]["text"] == r"12.4\,\%"
    assert ["fds", "hard", "fds", "lds_fds"] in facts_of(whole[2])["reported_equal"]


def test_tallies_count_every_test_of_every_experiment(whole):
    study, _, files = whole
    table = pd.read_parquet(study.inputs["comparisons"]).query("primary and level == 'all'")
    tally = facts_of(files)["tally"]
    for (experiment, baseline), tests in table.groupby(["experiment", "baseline"]):
        told = tests if experiment != "transfer" else tests[tests["task"] != "resistivity"]
        counts = tally[f"{experiment}.{baseline}"]
        assert counts["all"] == len(told)
        assert {v: n for v, n in counts.items() if n and v != "all"} == told["verdict"].value_counts().to_dict()


def interval_of_gain(study, method, baseline, task, metric):
    """The paired 95 % interval of a method's gain over another, from the metrics alone."""
    table = pd.read_parquet(study.inputs["metrics"]).query("task == @task and metric == @metric and level == 'all'")
    wide = table.pivot(index="seed", columns="method", values="value")
    d = (wide[method] - wide[baseline]).to_numpy()
    return stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ({"hard": 0.9, "weights_equal": 0.3}, {"removed", "reduced"}),
        ({"hard": 0.6, "weights_equal": 0.9}, {"remains"}),
        ({"hard": 0.2}, set()),
    ],
)
def test_weights_are_blamed_only_where_two_intervals_say_so(tmp_path, noise, expected):
    study = shipped(tmp_path / "in", "quick", shrunk("weighting", seeds=6), {"independent": 0.3, **noise})
    w = facts_of(run_numbers(study, tmp_path))["weights"]
    equal = [case for case in w["cases"] if case["method"] == w["equal"]]
    assert w["equal"] == "weights_equal"
    assert {case["outcome"] for case in equal} <= expected
    assert bool(equal) == bool(expected)
    for case in w["cases"]:
        pair = case["method"], case["task"], case["metric"]
        loss = interval_of_gain(study, pair[0], "independent", *pair[1:])[1] < 0
        gain = interval_of_gain(study, pair[0], "hard", *pair[1:])[0] > 0
        assert case["outcome"] == {(0, 1): "removed", (1, 1): "reduced", (1, 0): "remains", (0, 0): "open"}[loss, gain]
    text = words(study, run_numbers(study, tmp_path))
    assert ("the loss is an effect of the loss weights" in text) == ("removed" in {c["outcome"] for c in equal})
    assert ("no loss to explain" in text) == (not expected)


@pytest.mark.parametrize(("factor", "rule"), [(1, False), (1e-4, True)])
def test_settings_rule_strengths_where_they_move_them_more_than_tasks_do(whole, tmp_path, factor, rule):
    def scale(table):
        mine = table["method"] == "structured_no_decay"
        return table.assign(strength=table["strength"].where(~mine, table["strength"] * factor))

    study = without(whole[0], tmp_path, "relations", scale)
    files = run_numbers(study, tmp_path)
    assert facts_of(files)["settings_rule"] is rule
    assert ("set by the balance of penalty and weight decay" in words(study, files)) == rule


@pytest.mark.parametrize(("shift", "sign"), [(0.2, "above"), (-0.2, "below")])
def test_planted_relations_are_found_where_within_exceeds_between(whole, tmp_path, shift, sign):
    electronic = {"resistivity", "thermal_conductivity", "seebeck"}

    def plant(table):
        within = [(t in electronic) == (s in electronic) for t, s in zip(table["task"], table["source"], strict=True)]
        return table.assign(strength=table["strength"] + 0.3 + np.where(within, shift, 0))

    study = without(whole[0], tmp_path, "control_planted_relations", plant)
    files = run_numbers(study, tmp_path)
    assert {c["sign"] for c in facts_of(files)["controls"]["planted"]["clusters"]} == {sign}
    assert ("it tells related tasks from unrelated ones" in words(study, files)) == (sign == "above")


@pytest.mark.parametrize(("mean", "sentence"), [(-0.2, "Conflict is shown"), (0.2, "All cosines are positive")])
def test_conflict_is_what_noise_free_cosines_say(whole, tmp_path, mean, sentence):
    def set_to(table):
        corrected = table["measure"] == "corrected"
        ends = {"mean": mean, "ci_low": mean - 0.1, "ci_high": mean + 0.1}
        return table.assign(**{c: table[c].where(~corrected, value) for c, value in ends.items()})

    study = without(whole[0], tmp_path, "conflict", set_to)
    assert sentence in words(study, run_numbers(study, tmp_path))


# Templates.


def prose_of(template):
    """A template without what is no running text: statements, variables, keys, equations, drawings, lengths."""
    text = re.sub(r"^%%.*$|^%#.*$", "", template, flags=re.MULTILINE)
    for environment in ("equation", "tikzpicture"):
        text = re.sub(rf"\\begin{{{environment}}}.*?\\end{{{environment}}}", "", text, flags=re.DOTALL)
    text = re.sub(r"\\(?:VAR|NOTE)\{.*?\}(?!\s*\|)", "", text, flags=re.DOTALL)
    text = re.sub(r"\\(?:cite[a-z]*|ref|eqref|label|input|includegraphics)(?:\[.*?\])?\{.*?\}", "", text)
    text = re.sub(r"\\(?:setcounter|setlength)\{\\?\w+\}\{-?\w+\}", "", text)
    return re.sub(r"\\\\\[[\d.]+em\]", "", text)


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.tex.j2")), ids=lambda f: f.name)
def test_no_template_holds_a_number_in_its_text(file):
    if file.name == "preamble.tex.j2":
        body = "\n".join(x for x in file.read_text().splitlines() if not x.startswith(("\\", "  ", "%%")))
        assert not re.search(r"\d", body)
    else:
        found = re.search(r".*\d.*", prose_of(file.read_text()))
        assert not found, found.group(0)


def test_the_scan_for_numbers_finds_one():
    assert re.search(r"\d", prose_of(r"The score is $0.83\pm0.02$ (\VAR{val('a', 1)})."))


def test_every_number_in_the_text_is_defined(any_study):
    study, _, files = any_study
    used = set(re.findall(r"\\val\{([^}]*)\}", rendered(study, files)))
    assert used
    assert used <= set(numbers_of(files))


def test_every_reference_has_its_label_and_every_float_its_reference(any_study):
    study, _, files = any_study
    tex = rendered(study, files)
    labels = re.findall(r"\\label\{([^}]*)\}", tex)
    references = set(re.findall(r"\\(?:eq)?ref\{([^}]*)\}", tex))
    assert len(labels) == len(set(labels))
    assert references <= set(labels)
    assert {label for label in labels if label.startswith(("tab:", "fig:"))} <= references


def test_every_table_and_figure_stands_in_the_paper_under_its_own_number(whole):
    study, _, files = whole
    tex = rendered(study, files)
    for command, stems in (("input{tables", layout.TABLES), ("includegraphics", layout.FIGURES)):
        found = [line for line in tex.splitlines() if line.strip().startswith(f"\\{command}")]
        assert sorted(re.findall(r"(\w+)\}$", "\n".join(found), flags=re.MULTILINE)) == sorted(stems)
    for stem in (*layout.TABLES, *layout.FIGURES):
        number = re.match(r"[a-z]+([A-Z]?\d+)_", stem).group(1)
        before = tex[: tex.index(f"/{stem}}}")]
        assert before[before.rindex(r"\renewcommand{\the") :].split("}")[1] == f"{{{number}"


@pytest.mark.parametrize("gone", SECTIONS)
def test_a_study_without_an_experiment_has_no_section_on_it(whole, tmp_path, gone):
    study, _, files = whole
    assert SECTIONS[gone] in words(study, files)
    less = without(study, tmp_path, "metrics", lambda table: table)
    less.spec = json.loads(json.dumps(study.spec))
    less.spec["controls"].pop(gone, None)
    beside = ("imbalance_equal", "imbalance_steps") if gone == "imbalance" else ()
    left = [e for e in less.spec["experiments"] if e["name"] not in (gone, *beside)]
    less.spec["experiments"] = left
    used = {method for e in left for method in e["methods"]}
    less.spec["methods"] = {name: m for name, m in study.spec["methods"].items() if name in used}
    files = run_numbers(less, tmp_path)
    tex = rendered(less, files)
    assert SECTIONS[gone] not in " ".join(tex.split())
    assert set(re.findall(r"\\(?:eq)?ref\{([^}]*)\}", tex)) <= set(re.findall(r"\\label\{([^}]*)\}", tex))
    assert set(re.findall(r"\\val\{([^}]*)\}", tex)) <= set(numbers_of(files))


def test_simulated_data_is_marked_in_title_header_and_every_caption_of_data(whole):
    study, _, files = whole
    tex = rendered(study, files)
    captions = re.findall(r"\\caption\{(.{25})", tex)
    unmarked = [caption for caption in captions if not caption.startswith(r"\textbf{Simulated data.}")]
    assert len(captions) == len(layout.TABLES) + len(layout.FIGURES) + 1
    assert [caption[:8] for caption in unmarked] == ["Clusters"]  # the one table of words of a proposal
    assert re.search(r"\\title\{.*simulated data", tex, re.DOTALL)
    assert r"\fancyhead[L]{\small\textbf{Simulated data}" in tex


def test_measured_data_is_nowhere_called_simulated(measured):
    study, _, files = measured
    assert "simulated" not in rendered(study, files).lower()


def test_without_a_reported_paper_nothing_is_called_reported(whole, tmp_path):
    study = without(whole[0], tmp_path, "metrics", lambda table: table)
    study.spec = {**study.spec, "reported": None}
    text = words(study, run_numbers(study, tmp_path))
    assert "eported" not in text[text.index(r"\section{Data}") :].replace("was reported", "")
    assert "Claims of the paper" not in text


@pytest.mark.parametrize("verdicts", [["better"], ["worse"], ["not shown"], ["identical"], ["better", "worse"]])
def test_the_text_claims_what_the_verdicts_say(whole, tmp_path, verdicts):
    def overrule(table):
        return table.assign(verdict=[verdicts[i % len(verdicts)] for i in range(len(table))])

    study = without(whole[0], tmp_path, "comparisons", overrule)
    text = words(study, run_numbers(study, tmp_path))
    assert ("negative transfer is shown" in text) == ("worse" in verdicts)
    assert ("pooling the properties paid off" in text) == ("better" in verdicts)
    assert ("Not to have shown a difference" in text) == ("not shown" in verdicts)
    assert ("no general" in text) == (len(verdicts) > 1)
    assert ("something in them carries over" in text) == ("better" in verdicts)
    assert ("no gain that conflict has to explain" in text) == ("better" not in verdicts)
    assert (r"of remedies with their baseline came out better" in text) == (verdicts == ["better"])
    assert ("Better than Standard MTL:" in text) == ("better" in verdicts)
    assert ("Worse than Standard MTL:" in text) == ("worse" in verdicts)


@pytest.mark.parametrize(
    ("size", "steps", "sentence"),
    [
        ("worse", "worse", "their number alone does not explain it"),
        ("worse", "not shown", "their number may be behind it"),
        ("not shown", "worse", "a fall is shown with equal steps alone"),
        ("better", "not shown", "Neither way is a fall"),
    ],
)
def test_equal_steps_are_read_together_with_levels(whole, tmp_path, size, steps, sentence):
    def overrule(table):
        return table.assign(verdict=np.where(table["experiment"] == "imbalance", size, steps))

    study = without(whole[0], tmp_path, "level_comparisons", overrule)
    text = words(study, run_numbers(study, tmp_path))
    assert sentence in text
    weights = sentence.replace("their number", "their change with the level").replace("equal steps", "equal weights")
    assert weights in text  # equal weights fare as equal steps here
    assert ("fares worse" in text or "fare worse" in text) == (size == "worse")


def test_every_claim_is_counted_under_its_verdict(whole):
    study, _, files = whole
    counts = pd.read_csv(study.inputs["claims"])["verdict"].value_counts()
    text = words(study, files)
    for verdict, n in counts.items():
        key = f"claims.{verdict.replace(' ', '_')}"
        assert numbers_of(files)[key]["value"] == n
        assert rf"\val{{{key}}} {'is' if n == 1 else 'are'} {verdict}" in text


def test_one_split_and_many_are_told_apart(simulated, five, tmp_path):
    assert "cover the noise of training alone" in words(*simulated[::2])
    many = words(*five[::2])
    assert "cover the noise of training alone" not in many
    assert r"\val{study.splits} split seeds" in many


def test_measurements_that_are_kept_apart_are_called_so(kept, simulated):
    study, root, files = kept
    text, numbers = words(study, files), numbers_of(files)
    assert {key: numbers[f"data.{key}"]["value"] for key in ("rows", "alloys", "repeated", "traces")} == {
        "rows": 420,
        "alloys": 417,
        "repeated": 3,
        "traces": 7,
    }
    assert numbers["task.amorphous.alloys"]["value"] == 420  # what weights by size and levels count
    assert numbers["task.amorphous.positive"]["value"] == 139  # of 417 alloys
    for said in (
        r"each is kept as a row of its own% : for \val{data.repeated} pairs",
        r"\val{data.traces} rows were kept with traces",
        r"\val{training.independent.batch_size} rows drawn from all",
        "and none was rejected",
    ):
        assert (said in text, said in words(*simulated[::2])) == (True, False), said
    assert "rejects.csv" not in text
    table = pd.read_csv(run_tables(study, root)["table1_data_csv"]).set_index("task")["alloys"]
    assert table.to_dict() == {"amorphous": 420, "union": 417}


def test_large_errors_are_those_of_labels_where_measurements_are_kept_apart(whole, tmp_path):
    study = without(whole[0], tmp_path, "metrics", lambda table: table)
    study.spec = {**study.spec, "data": {**study.spec["data"], "repeats": "keep"}}
    text = words(study, run_numbers(study, tmp_path))
    for said in ("drawn with replacement, each with all of its rows,", "tenth of test labels"):
        assert (said in text, said in words(*whole[::2])) == (True, False), said


def test_a_split_that_some_seeds_or_none_allow_is_called_so(kept, one):
    text = words(*kept[::2])
    assert r"A split by chemical system of the same alloys would give" in text
    assert r"with the only one of the \val{study.splits} split seeds that allows it." in text
    none = "A split by composition cluster of these alloys was not possible with the study's split seed."
    assert none in words(*one[::2])
    assert "not possible" not in text


def test_shares_of_near_copies_are_those_of_the_main_comparison(five, tmp_path):
    """An experiment on a fourth split, where every test alloy has a near-copy, changes no number of the text."""
    study, _, files = five
    table = pd.read_csv(study.inputs["leakage"])
    fourth = table[table["split_seed"] == 1].assign(split_seed=4)
    fourth[[c for c in fourth if c.startswith("share")]] = 1.0
    other = without(study, tmp_path, "metrics", lambda metrics: metrics)
    other.inputs["leakage"] = tmp_path / "leakage.csv"
    pd.concat([table, fourth]).to_csv(other.inputs["leakage"], index=False)
    assert numbers_of(run_numbers(other, tmp_path)) == numbers_of(files)
    assert run_tables(other, tmp_path)["tableA6_leakage_tex"].read_text() == (
        run_tables(study, tmp_path / "five")["tableA6_leakage_tex"].read_text()
    )


def test_one_task_and_one_method_make_a_paper_without_tests(tmp_path):
    tasks, methods = {"tc": TWO_TASKS["tc"]}, {"alone": TWO_METHODS["alone"]}
    study = make(tmp_path, tasks, methods, [], sizes={"tc": 300}, simulated=False)
    files = build(study, tmp_path)
    assert "no pair of methods" in files["table3_tests_tex"].read_text()
    tex = rendered(study, files)
    assert "paired" not in tex
    assert set(re.findall(r"\\val\{([^}]*)\}", tex)) <= set(numbers_of(files))


def test_text_of_the_config_is_escaped(measured, five):
    tex = rendered(*measured[::2])
    assert r"Density\_\{RT\} \& more" in tex
    assert r"Joint 50\%" in tex
    assert r"Yield strength \& more" in rendered(*five[::2])


def changed_templates(folder, name, old, new):
    shutil.copytree(TEMPLATES, folder)
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("data.tex.j2", r"\VAR{val('data.rows')}", r"\VAR{nonsense}", r"data\.tex\.j2, line \d+.*nonsense"),
        ("results_main.tex.j2", "'table2_comparison'", "'table9_mine'", r"input\{tables/table9_mine\}.*no step makes"),
        ("results_training.tex.j2", "'figure3_validation'", "'mine'", r"figures/mine\}.*no step makes"),
        ("methods_losses.tex.j2", "%% endif", "%% endfor", r"methods_losses\.tex\.j2, line \d+"),
        ("results_main.tex.j2", "say.tests()", "say.nonsense()", r"results_main\.tex\.j2, line \d+.*nonsense"),
    ],
)
def test_a_wrong_template_is_named(simulated, tmp_path, name, old, new, message):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", name, old, new)
    with pytest.raises(UserError, match=message):
        run_render(study, root, folder)


# The PDF.


def test_without_latex_the_error_says_what_to_install(simulated, monkeypatch, tmp_path):
    study, root, _ = simulated
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"apt-get install .*latexmk"):
        run_render(study, root)


@needs_latex
def test_an_undefined_number_stops_latex_and_is_named(simulated, tmp_path):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", "data.tex.j2", r"\VAR{val('data.rows')}", r"\val{no.such.number}")
    for output in (root / "paper").glob("paper.*"):
        output.unlink()
    with pytest.raises(UserError, match=r"Undefined number 'no\.such\.number'.*paper\.log"):
        run_render(study, root, folder)
    assert sorted(p.name for p in (root / "paper").glob("paper*")) == ["paper.log"]


@needs_latex
def test_an_undefined_number_in_a_caption_stops_too(simulated, tmp_path):
    study, root, _ = simulated
    old, new = r"\VAR{val('study.runs_each')}", r"\val{no.such.number}"
    folder = changed_templates(tmp_path / "paper", "results_main.tex.j2", old, new)
    with pytest.raises(UserError, match=r"Undefined number 'no\.such\.number'"):
        run_render(study, root, folder)


@needs_latex
def test_an_unknown_citation_stops(simulated, tmp_path):
    study, root, _ = simulated
    folder = changed_templates(tmp_path / "paper", "introduction.tex.j2", r"\cite{caruana1997}", r"\cite{nobody1900}")
    with pytest.raises(UserError, match="nobody1900"):
        run_render(study, root, folder)


@needs_latex
def test_the_paper_compiles_without_a_line_too_wide_and_to_the_same_bytes(either, caplog):
    study, root, _ = either
    with caplog.at_level("WARNING", logger="alloymtl"):
        first = {name: path.read_bytes() for name, path in run_render(study, root).items()}
        second = {name: path.read_bytes() for name, path in run_render(study, root).items()}
    assert first == second
    assert first["pdf"].startswith(b"%PDF")
    assert not caplog.records


@needs_latex
@pytest.mark.parametrize("name", ["whole", "five", "one", "kept"])
def test_every_experiment_in_the_paper_compiles_without_a_line_too_wide(name, request, simulated, caplog):
    study, root, _ = request.getfixturevalue(name)
    run_tables(study, root)
    drawn = simulated[2]["figure3_validation_pdf"]  # any figure will do: the text is looked at here
    for key, path in paths(layout.figure_files(str(root))).items():
        if key.endswith("_pdf"):
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(drawn, path)
    with caplog.at_level("WARNING", logger="alloymtl"):
        run_render(study, root)
    assert not caplog.records


@needs_latex
def test_the_bundle_compiles_on_its_own(simulated, tmp_path):
    study, root, _ = simulated
    with tarfile.open(run_render(study, root)["source"]) as archive:
        archive.extractall(tmp_path, filter="data")
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0
    log = (tmp_path / "paper.log").read_text(errors="replace").lower()
    assert "undefined" not in log.replace("font shape", "").replace("undefined pages", "")
