"""The tables of the paper: what they count, compare and leave out, on made-up studies."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from alloymtl.errors import UserError
from alloymtl.evaluation import metrics as measure
from alloymtl.files import write_csv, write_json
from alloymtl.paper import layout, typeset
from alloymtl.paper.material import Material
from alloymtl.paper.reported import Reported, printed
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.tables import conflict as table_conflict
from alloymtl.paper.tables import leakage as table_leakage
from alloymtl.paper.tables import profile as table_profile
from alloymtl.paper.tables import raw as table_raw
from paper_fixture import (
    EVALUATION,
    PLANTED_TASKS,
    REPORTED,
    SEEDS,
    THREE_METHODS,
    THREE_PAIRS,
    THREE_TASKS,
    drop_one_run,
    make,
    needs_latex,
    on_other_tasks,
    run_tables,
    sharing,
    without,
)

OF_EXPERIMENTS = {
    "table6_mitigation": "mitigation",
    "table7_fds": "fds",
    "table8_soft": "soft",
    "tableC2_transfer": "transfer",
    "tableC4_pcgrad": "pcgrad_controls",
    "tableC5_weighting": "weighting",
    "tableC6_samplers": "samplers",
    "tableC7_capacity": "capacity",
}
NUMBERED = [stem for stem in layout.TABLES if re.match(r"table\d", stem)]
TITLES = {task["title"] for task in THREE_TASKS.values()}
FIRST = {name: EVALUATION[task["kind"]][0] for name, task in THREE_TASKS.items()}
DOCUMENT = r"""\documentclass[10pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern,amsmath,textcomp,array,booktabs,longtable,caption}
\usepackage[a4paper,left=25mm,right=25mm,top=27mm,bottom=27mm]{geometry}
\usepackage[export]{adjustbox}
\usepackage{siunitx}
\newcommand{\longcaption}{\caption{A caption.}}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def made(whole):
    """The study with every experiment, and the files of its tables."""
    study, root = whole
    return study, run_tables(study, root / "tables")


@pytest.fixture(scope="module")
def shown(made):
    """Its tables by file name, text kept as it stands."""
    return {stem: pd.read_csv(made[1][f"{stem}_csv"], keep_default_na=False) for stem in layout.TABLES}


def values_of(study, method, task, metric, level="all"):
    """One value for each run."""
    m = pd.read_parquet(study.inputs["metrics"])
    m = m[(m["method"] == method) & (m["task"] == task) & (m["metric"] == metric) & (m["level"] == level)]
    return m.set_index("seed").loc[list(SEEDS), "value"].to_numpy()


def test_table1_counts_labels_and_distinct_alloys(simulated):
    study, _, files = simulated
    table = pd.read_csv(files["table1_data_csv"]).set_index("task")
    split = pd.read_parquet(study.inputs["split"])
    for task in study.sizes:
        assert table.loc[task, "test"] == ((split["task"] == task) & (split["partition"] == "test")).sum()
        assert table.loc[task, ["train", "validation", "test"]].sum() == table.loc[task, "alloys"] == study.sizes[task]
    assert table.loc["union", "alloys"] == split["alloy"].nunique()


def test_table2_is_mean_and_sd_over_runs(either):
    study, _, files = either
    table = pd.read_csv(files["table2_comparison_csv"])
    metrics = pd.read_parquet(study.inputs["metrics"]).query("partition == 'test'")
    expected = metrics.groupby(["method", "task", "metric"])["value"].agg(["mean", "std"])
    shown = [(t["name"], metric) for t in study.spec["tasks"] for metric in EVALUATION[t["kind"]]]
    wanted = [(method, *row) for method in study.spec["methods"] for row in shown]
    assert sorted(wanted) == sorted(table[["method", "task", "metric"]].itertuples(index=False, name=None))
    for row in table.itertuples():
        np.testing.assert_allclose([row.mean, row.sd], expected.loc[(row.method, row.task, row.metric)])


def test_bold_is_best_and_errors_are_better_small(simulated):
    _, _, files = simulated
    table = pd.read_csv(files["table2_comparison_csv"])
    for (_, metric), rows in table.groupby(["task", "metric"]):
        best = rows["mean"].min() if metric.endswith("_z") else rows["mean"].max()
        assert rows.loc[rows["mean"] == best, "best"].all()
        assert (np.round(rows.loc[rows["best"], "mean"], 3) == np.round(best, 3)).all()


def test_marks_of_significance_follow_the_corrected_test(tmp_path):
    methods = {n: {**m, "noise": {"hard": 0.9}.get(n, 0.3)} for n, m in THREE_METHODS.items()}
    sizes = {"resistivity": 900, "hardness": 800, "amorphous": 840}
    study = make(tmp_path, THREE_TASKS, methods, THREE_PAIRS, sizes=sizes, relations=["structured"])
    table = pd.read_csv(run_tables(study, tmp_path)["table2_comparison_csv"])
    tests = pd.read_parquet(study.inputs["comparisons"])
    holm = tests[tests["baseline"] == "independent"].set_index(["method", "task", "metric"])["p_holm"]
    assert table["significant"].any()
    for row in table.itertuples():
        p = holm.get((row.method, row.task, row.metric), 1.0)
        assert row.significant == (p < EVALUATION["alpha"])
    assert (tmp_path / "tables/table2_comparison.tex").read_text().count(r"\ast") == table["significant"].sum()


def test_table3_holds_every_comparison_on_the_first_metric(simulated):
    study, _, files = simulated
    table = pd.read_csv(files["table3_tests_csv"])
    tests = pd.read_parquet(study.inputs["comparisons"])
    first = {t["name"]: EVALUATION[t["kind"]][0] for t in study.spec["tasks"]}
    expected = tests[tests["metric"] == tests["task"].map(first)]
    columns = ["baseline", "method", "task", "mean_difference", "ci_low", "ci_high", "t", "df", "p_value", "p_holm"]
    pd.testing.assert_frame_equal(table[columns], expected[columns].reset_index(drop=True), check_dtype=False)


def test_table4_and_figure2_show_the_same_relations(simulated):
    _, _, files = simulated
    table = pd.read_csv(files["table4_relations_csv"]).set_index(["receiver", "source"])
    values = pd.read_csv(files["figure2_relations_csv"]).groupby(["receiver", "source"])["strength"]
    assert len(table) == 9
    for column, of in {"mean": "mean", "sd": "std", "min": "min", "max": "max"}.items():
        pd.testing.assert_series_equal(table[column].sort_index(), values.agg(of), check_names=False)


def test_a_study_without_relations_says_so(measured):
    _, _, files = measured
    assert "No method of this study learns relations" in files["table4_relations_tex"].read_text()


def test_no_metric_is_lost_between_the_two_tables(simulated):
    study, _, files = simulated
    shown = pd.concat(pd.read_csv(files[f"{stem}_csv"]) for stem in ("table2_comparison", "tableA1_metrics"))
    assert not shown.duplicated(["task", "metric", "method"]).any()
    for task in study.spec["tasks"]:
        assert set(shown.loc[shown["task"] == task["name"], "metric"]) == set(measure.NAMES[task["kind"]])


def test_a_missing_test_stops(simulated, tmp_path):
    wanted = {"method": "structured", "baseline": "hard", "task": "hardness", "metric": "r2"}
    study = without(simulated[0], tmp_path, "comparisons", lambda table: drop_one_run(table, **wanted))
    with pytest.raises(UserError, match="structured against hard, hardness, r2"):
        run_tables(study, tmp_path)


def with_files(study, root, **changed):
    """A copy of a study's inputs with other CSV or JSON files of its data."""
    root.mkdir(parents=True, exist_ok=True)
    copy = without(study, root, "conflict", lambda table: table)
    for name, content in changed.items():
        copy.inputs[name] = root / study.inputs[name].name
        write = write_csv if isinstance(content, pd.DataFrame) else write_json
        write(copy.inputs[name], content)
    return Material(PaperStudy.from_spec(copy.spec), copy.inputs)


def cells_of(table):
    """Cells of each line of a tabular, panels and rules left out."""
    lines = table.tex.replace(r"\allowbreak{}", "").split("\\\\")
    return [[cell.strip() for cell in line.split("&")] for line in lines if line.count("&") > 3]


def reading(source, of, file, **how):
    plain = {"format": "delimited", "encoding": "utf-8", "separator": ",", "decimal": ".", "sheet": None}
    return {"source": source, "task": TASKS_OF_SOURCES[source], "of": of, "file": file, "member": "", **plain, **how}


TASKS_OF_SOURCES = ["resistivity", "resistivity", "hardness", "amorphous"]


def test_tableA3_has_a_line_for_each_source_and_for_what_lends_it_compositions(simulated, tmp_path):
    sheet = {"format": "sheet", "encoding": None, "separator": None}
    readings = [
        reading(0, "labels", "d/book.xlsx", **sheet, sheet="one"),
        *(reading(0, "compositions", f"lent/{n}.csv") for n in range(30)),
        reading(1, "labels", "d/book.xlsx", **sheet, sheet="two"),
        reading(2, "labels", "d/a, b.csv", separator=";", encoding="cp949"),
        reading(3, "labels", "p/[1].csv"),
        reading(3, "labels", "p/2.csv", separator="\t"),
        *(reading(3, "labels", f"p/{n}.txt", format="ignored") for n in range(20)),
    ]
    tables = [
        [("labels", "d/book.xlsx", 0), ("compositions", "lent", 2)],
        [("labels", "d/book.xlsx", 0)],
        [("labels", "d//a, b.csv", 0)],
        [("labels", "p/*.csv", 25)],
    ]
    counts = [(9, 7, 1, 1), (8, 8, 0, 0), (7, 3, 3, 1), (6, 5, 0, 1)]
    named = ("rows", "accepted", "merged", "rejected")
    sources = [
        {"task": task, "tables": [dict(zip(("of", "path", "ignored"), t, strict=True)) for t in own]}
        | dict(zip(named, rows, strict=True))
        for task, own, rows in zip(TASKS_OF_SOURCES, tables, counts, strict=True)
    ]
    material = with_files(simulated[0], tmp_path, ingest={"sources": sources, "readings": readings})
    table = table_raw.files(material)
    columns = ["source", "of", "path", "files", "ignored", "sheet"]
    assert table.data[columns].to_numpy().tolist() == [
        [0, "labels", "d/book.xlsx", 1, 0, "one"],
        [0, "compositions", "lent", 30, 2, ""],
        [1, "labels", "d/book.xlsx", 1, 0, "two"],
        [2, "labels", "d//a, b.csv", 1, 0, ""],
        [3, "labels", "p/*.csv", 2, 25, ""],
    ]
    assert table.data.loc[table.data["of"] == "labels", list(named)].to_numpy().tolist() == [
        list(row) for row in counts
    ]
    assert cells_of(table)[1:] == [
        ["book.xlsx (one)", "1", "", "", "9", "7", "1", "1"],
        ["lent", "30 (and 2 unread)", "utf-8", "comma", "--", "--", "--", "--"],
        ["book.xlsx (two)", "1", "", "", "8", "8", "0", "0"],
        ["a, b.csv", "1", "cp949", "semicolon", "7", "3", "3", "1"],
        ["*.csv", "2 (and 25 unread)", "utf-8", "comma, tab", "6", "5", "0", "1"],
    ]


def test_tableA4_counts_rejects_by_reason_and_names_the_one_file_they_are_in(simulated, tmp_path):
    lines = [("hardness", "label.number", "label is not a number", file) for file in ("a, b.csv", "a, b.csv")]
    lines += [("amorphous", "id.duplicate", "duplicate id", file) for file in ("x.csv", "y.csv", "y.csv")]
    summary = [
        {"task": "hardness", "rule": "label.number", "reason": "label is not a number", "rows": 2},
        {"task": "amorphous", "rule": "id.duplicate", "reason": "duplicate id", "rows": 3},
    ]
    rejects = pd.DataFrame(lines, columns=["task", "rule", "reason", "file"])
    table = table_raw.rejects(with_files(simulated[0], tmp_path, ingest={"summary": summary}, rejects=rejects))
    assert table.data["files"].tolist() == ["a, b.csv", "x.csv, y.csv"]
    rows = [line for line in table.tex.replace(r"\allowbreak{}", "").splitlines() if "texttt" in line]
    assert [[cell.strip(" \\") for cell in row.split("&")][1:] for row in rows] == [
        ["label is not a number", "a, b.csv", "2"],
        ["duplicate id", "2 files", "3"],
    ]


def test_tableA5_is_the_profile(simulated, tmp_path):
    profile = pd.DataFrame(
        [
            {"task": "amorphous", "alloys": 5, "readings": 6, "systems": 2, "repeated": 1, "class_0": 4, "class_1": 1},
            {"task": "hardness", "alloys": 7, "readings": 7, "systems": 3, "repeated": 0},
            {"task": "resistivity", "alloys": 2500, "readings": 9000, "systems": 40, "repeated": 99, "spread": 0.1234},
        ]
    )
    places = {"minimum": 1.0, "q1": 2.0, "median": 3.0, "q3": 4.0, "maximum": 5.5, "mean": 3.25, "sd": 1.5}
    regression = profile["task"] != "amorphous"
    for name, value in places.items():
        profile.loc[regression, name] = value
    table = table_profile.make(with_files(simulated[0], tmp_path, profile_tasks=profile))
    rows = [line.split("&") for line in table.tex.replace("\\\\", "").splitlines() if "&" in line]
    found = [[cell.strip() for cell in row[1:]] for row in rows if row[0].strip().split(" (")[0] in TITLES]
    assert found == [
        [r"\num{2500}", r"\num{9000}", "40", "99"],
        ["7", "7", "3", "0"],
        ["5", "6", "2", "1"],
        ["1.00", "2.00", "3.00", "4.00", "5.50", "3.25", "1.50", "12.3"],
        ["1.00", "2.00", "3.00", "4.00", "5.50", "3.25", "1.50", "--"],
        ["crystalline", "4", "amorphous", "1"],
    ]


def test_tableA6_is_the_mean_over_the_split_seeds_of_the_main_comparison(simulated, tmp_path):
    shares = {f"share_{t}": 0.0 for t in ("0.1", "0.5", "2")}
    rows = []
    for seed, within in ((42, 3), (7, 10)):  # the main comparison has seed 42 alone
        for training, near in (("any task", within), ("same task", within - 2)):
            place = {"split": "stratified", "used": True, "split_seed": seed, "possible": True, "task": "hardness"}
            place |= {"partition": "test", "training": training, "alloys": 10, "median": seed / 7, "system_share": 1}
            rows.append({**place, **shares, "within_1": near, "share_1": near / 10})
        rows.append({"split": "grouped", "used": False, "split_seed": seed, "possible": False, "reason": "few."})
    table = table_leakage.make(with_files(simulated[0], tmp_path, leakage=pd.DataFrame(rows)))
    assert len(table.data) == 6
    (row,) = cells_of(table)[1:]
    assert row == ["Hardness", "10", "3", r"30.0\,\%", r"10.0\,\%", *[r"0.0\,\%"] * 3, "6.0", r"100.0\,\%"]
    assert "Random split (that of this study)" in table.tex
    assert "Not possible with the study's split seed; the CSV says why" in table.tex


@pytest.mark.parametrize("stem", [stem for stem in NUMBERED if stem != "table10_properties"])
def test_every_reported_number_stands_beside_ours(made, shown, stem):
    said = pd.read_csv(REPORTED, dtype=str, keep_default_na=False)
    said = said[said["table"] == re.match(r"table(\d+)", stem).group(1)]
    numbers = Counter(n for column in ("mean", "std", "delta", "p_value") for n in said[column] if n)
    assert numbers
    ours = pd.read_csv(made[1][f"{stem}_csv"], dtype=str, keep_default_na=False)
    columns = [name for name in ours if name.startswith("reported")]
    assert not numbers - Counter(n for column in columns for n in ours[column])
    tex = Counter(re.findall(r"(?:\\ensuremath\{[<-]\})?(?:\\num\{\d+\}|[\d.]+)", made[1][f"{stem}_tex"].read_text()))
    assert not Counter({str(printed(text)): n for text, n in numbers.items()}) - tex


def test_reported_words_stand_in_table_10(shown):
    said = Reported(REPORTED).texts(10)
    assert list(shown["table10_properties"]["cluster"]) == list(said["row"])
    joined = shown["table10_properties"]["properties"] + ": " + shown["table10_properties"]["physics"]
    assert list(joined) == list(said["text"])


def test_what_differs_is_ours_minus_theirs(shown):
    for stem in ("table2_comparison", "table4_relations", "table5_imbalance", "table6_mitigation", "table8_soft"):
        rows = shown[stem][shown[stem]["reported"] != ""].astype({"mean": float, "reported": float})
        assert len(rows)
        np.testing.assert_allclose(rows["difference"].astype(float), rows["mean"] - rows["reported"])


def test_without_a_reported_paper_nothing_is_said_of_one(either):
    _, _, files = either
    for stem in layout.TABLES:
        assert (
            not [name for name in pd.read_csv(files[f"{stem}_csv"]) if "reported" in name] or stem == "tableC9_claims"
        )
        tex = files[f"{stem}_tex"].read_text()
        assert "eported" not in tex or "stands beside no reported paper" in tex


def test_a_study_without_an_experiment_says_so(simulated):
    _, _, files = simulated
    for stem, name in OF_EXPERIMENTS.items():
        table, tex = pd.read_csv(files[f"{stem}_csv"]), files[f"{stem}_tex"].read_text()
        assert table.empty
        assert "method" in table
        assert rf"no experiment \texttt{{{name.replace('_', chr(92) + '_')}}}" in tex


@pytest.mark.parametrize(("stem", "name"), OF_EXPERIMENTS.items())
def test_an_experiment_shows_all_of_its_methods_and_all_of_its_tests(made, shown, stem, name):
    study, _ = made
    experiment, table = study.experiments[name], shown[stem]
    scores = table[table["metric"].isin(FIRST.values()) & (table["n"] != "")]
    tested = {(b, m) for b, m in experiment["comparisons"]}
    named = tested | {("", m) for m in experiment["methods"] if m not in {m for _, m in tested}}
    for task in THREE_TASKS:
        mine = scores[scores["task"] == task]
        assert Counter(zip(mine["baseline"], mine["method"], strict=True)) == Counter(named)
        for row in mine.itertuples():
            values = values_of(study, row.method, task, FIRST[task])
            np.testing.assert_allclose([float(row.mean), float(row.sd)], [values.mean(), values.std(ddof=1)])
    tests = pd.read_parquet(study.inputs["comparisons"]).query("experiment == @name and primary")
    found = scores[scores["baseline"] != ""].set_index(["baseline", "method", "task"])
    expected = tests.set_index(["baseline", "method", "task"])
    for column in ("mean_difference", "ci_low", "ci_high", "p_holm"):
        np.testing.assert_allclose(found[column].astype(float).loc[expected.index], expected[column])


def test_table5_is_each_level_of_the_largest_task(made, shown):
    study, _ = made
    table, split = shown["table5_imbalance"], pd.read_parquet(study.inputs["split"])
    training = split[split["partition"] == "train"]
    assert set(table["task"]) == {"hardness", "amorphous"}
    assert len(table) == 2 * 2 * 5
    for row in table.itertuples():
        kept = training[(training["task"] != "resistivity") | (training["order"] < row.labels)]
        sizes = kept["task"].value_counts()
        np.testing.assert_allclose(row.imbalance_ratio, sizes["resistivity"] / sizes[row.task])
        values = values_of(study, row.method, row.task, row.metric, str(row.level))
        np.testing.assert_allclose(row.mean, values.mean())
        smallest = values_of(study, row.method, row.task, row.metric, "1000")
        if row.level != "1000":
            np.testing.assert_allclose(float(row.mean_difference), (values - smallest).mean())
        assert (row.p_holm == "") == (row.level == "1000")


def test_table6_gains_in_percent_of_the_baseline_and_of_pairs_beyond_their_sum(shown):
    table = shown["table6_mitigation"]
    for task in THREE_TASKS:
        mine = table[table["task"] == task]
        scores = mine[mine["quantity"] == "score"].set_index("method")
        means = scores["mean"].astype(float)
        gain = 100 * (means / means["hard"] - 1)
        percent = scores["percent"].replace("", 0).astype(float)
        np.testing.assert_allclose(percent, gain, atol=1e-9)
        synergies = mine[mine["quantity"] == "synergy"].set_index("method")["mean_difference"].astype(float)
        assert set(synergies.index) == {f"{a}_{b}" for a in ("lds", "bmse") for b in ("gradnorm", "pcgrad")}
        for both, value in synergies.items():
            first, second = both.split("_")
            expected = means[both] - means[first] - means[second] + means["hard"]
            np.testing.assert_allclose(value, expected)


def test_table8_backbones_are_as_alike_as_their_pairs_on_average(made, shown):
    study, _ = made
    table = shown["table8_soft"][shown["table8_soft"]["metric"].isin(["weight_cosine", "cka"])]
    values = pd.read_parquet(study.inputs["similarity"]).groupby(["method", "measure"])["value"].mean()
    whole = table[table["task"] == ""].set_index(["method", "metric"])["mean"].astype(float)
    assert (whole.loc["hard"] == 1).all()
    np.testing.assert_allclose(whole.loc[values.index], values)
    pairs = {"|".join(pair) for pair in combinations(THREE_TASKS, 2)}
    assert set(table["task"]) == {"", *pairs}


def test_table9_has_every_method_whose_predictions_are_kept(made, shown):
    tails = pd.read_parquet(made[0].inputs["tails"])
    key = ["method", "task", "metric"]
    found = shown["table9_tails"].set_index(key)
    columns = ["value", "ci_low", "ci_high", "difference", "diff_low", "diff_high"]
    assert len(found) == len(tails)
    pd.testing.assert_frame_equal(found[columns].sort_index(), tails.set_index(key)[columns].sort_index())


def test_conflict_stands_beside_the_overlap_of_labels(made, shown):
    study, _ = made
    expected = pd.read_parquet(study.inputs["conflict"])
    found = shown["tableC1_conflict"]
    assert len(found) == len(expected)
    own = {"hard", "weights_equal", "hard_stratified"}
    assert (found["method"].isin(own) & (found["level"] == "all")).sum() == 3 * 3 * 3
    key = ["method", "level", "first", "second", "measure"]
    merged = found.merge(expected, on=key, suffixes=("", "_expected"))
    np.testing.assert_allclose(merged["mean"], merged["mean_expected"])
    assert (found["common_labels"] == 0).all()


def test_overlap_counts_the_alloys_that_two_tasks_share(made, tmp_path):
    study = sharing(made[0], tmp_path, "hardness", "amorphous", 40)
    material = Material(PaperStudy.from_spec(study.spec), study.inputs)
    found = table_conflict.make(material).data.set_index(["first", "second"])[["common_labels", "jaccard"]]
    assert (found.loc[("hardness", "amorphous")] == [40, 40 / (800 + 840 - 40)]).all(axis=None)
    assert (found.loc[("resistivity", "hardness")] == 0).all(axis=None)


def test_planted_relations_are_split_by_the_clusters_of_their_tasks(made, shown):
    study, _ = made
    table = shown["tableC3_relations"]
    cluster = {"hardness": 1, "yield_strength": 1, "resistivity": 2, "thermal_conductivity": 2}
    assert set(cluster) == set(PLANTED_TASKS)
    relations = pd.read_parquet(study.inputs["control_planted_relations"]).query("task != source")
    same = relations["task"].map(cluster) == relations["source"].map(cluster)
    names = same.map({True: "within", False: "between"})
    expected = relations.groupby(["method", names, "seed"])["strength"].mean()
    runs = table[(table["series"] == "run") & table["group"].isin(["within", "between"])]
    found = runs.astype({"seed": int, "value": float}).set_index(["method", "group", "seed"])["value"]
    assert len(found) == 2 * 2 * len(SEEDS)
    np.testing.assert_allclose(found, expected.loc[found.index])
    of_study = table[(table["group"] == "all") & (table["series"] == "mean")]["method"].value_counts()
    assert of_study.to_dict() == {"structured": 2, "structured_no_penalty": 2} | {
        f"structured_{name}": 1 for name in ("no_decay", "strong_decay")
    }


def test_the_other_split_stands_beside_the_first(made, shown):
    study, _ = made
    table = shown["tableC8_grouped"]
    for prefix, split in (("", "stratified"), ("control_grouped_", "grouped")):
        scores = pd.read_parquet(study.inputs[f"{prefix}metrics"]).query("level == 'all'")
        means = scores.groupby(["method", "task", "metric"])["value"].mean()
        mine = table[table["split"] == split].set_index(["method", "task", "metric"])["mean"].astype(float)
        assert len(mine) == 3 * 10
        np.testing.assert_allclose(mine, means.loc[mine.index])


def test_every_claim_and_every_check_has_its_row(made, shown):
    study, files = made
    for stem, name in (("tableC9_claims", "claims"), ("tableC10_audit", "audit")):
        expected = pd.read_csv(study.inputs[name], dtype=str, keep_default_na=False)
        found = pd.read_csv(files[f"{stem}_csv"], dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(found, expected[list(found)])
        rows = re.findall(r"\\\\\n\\addlinespace", files[f"{stem}_tex"].read_text())
        assert len(rows) == len(expected) > 0


def test_cost_counts_every_run_once(made, shown):
    runs = pd.read_parquet(made[0].inputs["runs"])
    table = shown["tableA2_cost"]
    assert table["runs"].sum() == len(runs)
    np.testing.assert_allclose(table["hours"].sum(), runs["seconds"].sum() / 3600)


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("similarity", {"method": "soft_1", "seed": 456}, "soft_1.*a run is missing"),
        ("level_comparisons", {"experiment": "imbalance", "level": "5000"}, "hard at 5000, hardness, r2"),
        ("control_planted_relations", {"seed": 456, "source": "hardness"}, "structured.*a pair of tasks is missing"),
        ("control_grouped_metrics", {"method": "hard", "seed": 456}, "hard/level-all/split-42/seed-456"),
        ("runs", {"method": "pcgrad", "seed": 456}, "pcgrad/level-all/split-42/seed-456"),
    ],
)
def test_a_hole_in_the_results_stops_and_is_named(made, tmp_path, name, wanted, message):
    study = without(made[0], tmp_path, name, lambda table: drop_one_run(table, **wanted))
    with pytest.raises(UserError, match=message):
        run_tables(study, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("row,method", "row,mothod", 1), "'method' is missing"),
        (lambda text: text + text.splitlines()[-5] + "\n", "twice"),
        (lambda text: text.replace(",0.310,", ",0.31O,", 1), "number"),
    ],
)
def test_a_damaged_file_of_reported_numbers_is_refused(tmp_path, change, message):
    path = tmp_path / "tables.csv"
    path.write_text(change(REPORTED.read_text()))
    with pytest.raises(UserError, match=message):
        Reported(path)


def test_tables_are_the_same_for_any_tasks(tmp_path):
    tasks = {
        "tc": {"kind": "regression", "title": "Transition temperature_{c}", "unit": "furlong_per_day"},
        "glass": {"kind": "classification", "title": "Glass & more", "unit": "", "positive": "a", "negative": "b"},
        **PLANTED_TASKS,
    }
    files = run_tables(on_other_tasks(tmp_path / "in", tasks), tmp_path)
    for stem in OF_EXPERIMENTS:
        table = pd.read_csv(files[f"{stem}_csv"], keep_default_na=False)
        assert list(dict.fromkeys(table[table["n"] != ""]["task"]))[: len(tasks)] == list(tasks)
    conflict = pd.read_csv(files["tableC1_conflict_csv"])
    assert (conflict.groupby(["method", "level"]).size() == 3 * 15).all()
    assert set(pd.read_csv(files["table5_imbalance_csv"])["task"]) == set(tasks) - {"tc"}


@needs_latex
def test_no_table_is_wider_than_the_text(made, tmp_path):
    _, files = made
    parts = [rf"{{\footnotesize\input{{{files[f'{stem}_tex']}}}}}\clearpage" for stem in layout.TABLES]
    (tmp_path / "all.tex").write_text(DOCUMENT % "\n".join(parts))
    done = subprocess.run([*typeset.COMMAND, "all.tex"], cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log
