"""Tables and figures on overlap and affinity, on made-up arms with a planted truth."""

from __future__ import annotations

import re
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from alloymtl.evaluation.affinity.threshold import threshold
from alloymtl.paper import typeset
from alloymtl.paper.affinity import numbered
from alloymtl.paper.catalogue import OVERLAP, category
from alloymtl.paper.figures import DRAWINGS
from alloymtl.paper.figures.style import paper_style
from alloymtl.paper.layout import FIGURES, TABLES
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.tables import REGISTRY
from alloymtl.paper.tables.threshold import printed_r2, published, verdict
from arms_world import Arm, arms, within
from paper_fixture import THREE_METHODS, THREE_PAIRS, THREE_TASKS, experiment, needs_latex, specification
from paper_world import OVERLAP as OVERLAP_REPORTED
from test_paper_figures import crowded
from test_paper_tables import DOCUMENT

OF_OVERLAP = [stem for stem in (*TABLES, *FIGURES) if category(stem) == OVERLAP]
TABLE_STEMS, FIGURE_STEMS = ([stem for stem in OF_OVERLAP if stem.startswith(kind)] for kind in ("table", "figure"))
LAST = {"method": "equal", "window": "last fifth"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return arms(tmp_path_factory.mktemp("arms"))


@pytest.fixture(scope="module")
def study():
    """A study without arms; of its own results nothing is shown here."""
    main = experiment("main", THREE_METHODS, THREE_PAIRS)
    reported = {"overlap_reported": OVERLAP_REPORTED / "threshold.csv"}
    reported["overlap_reported_values"] = OVERLAP_REPORTED / "values.csv"
    return SimpleNamespace(spec=specification(THREE_TASKS, THREE_METHODS, [main]), inputs=reported)


@pytest.fixture(scope="module")
def shown(study, made):
    """The study with all arms."""
    return material(study, made)


@pytest.fixture(scope="module")
def tables(shown):
    return {stem: REGISTRY[stem](shown) for stem in TABLE_STEMS}


@pytest.fixture(scope="module")
def figures(shown):
    with paper_style():
        return {stem: DRAWINGS[stem](shown) for stem in FIGURE_STEMS}


def material(study, found):
    spec, inputs = within(study.spec, study.inputs, found)
    return Material(PaperStudy.from_spec(spec), inputs)


def text_of(stem, of_material):
    """All that a table prints, or that a figure writes outside its panels."""
    if stem.startswith("table"):
        return REGISTRY[stem](of_material).tex
    with paper_style():
        return " ".join(text.get_text() for text in DRAWINGS[stem](of_material)[0].texts)


def panel(tex, title):
    """Rows of a table below a title of a panel, each as its cells."""
    lines = tex.splitlines()
    start = next(n for n, line in enumerate(lines) if rf"\textit{{{title}" in line)
    rows = []
    for line in lines[start + 1 :]:
        if not line.endswith(r"\\") or line.startswith(r"\multicolumn"):
            break
        rows.append([cell.strip() for cell in line.removesuffix(r"\\").split("&")])
    return rows


def plain(cell):
    """A printed number as a number."""
    found = re.match(r"-?[0-9.]+", cell.replace(r"\ensuremath{-}", "-"))
    return float(found[0]) if found else np.nan


def rows_of(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


# Studies that lack something.


@pytest.mark.parametrize("stem", OF_OVERLAP)
def test_a_study_without_arms_says_so(study, stem):
    without = material(study, {})
    assert "This study has no experiment on the affinity of its tasks." in text_of(stem, without).replace("\n", " ")


@pytest.mark.parametrize("stem", OF_OVERLAP)
def test_three_tasks_and_no_training_in_groups_leave_what_needs_neither(study, made, stem):
    few = material(study, {"three": made["three"]})
    drawn = stem in ("tableO4_groups", "figureO2_affinity")
    assert ("No arm has" in text_of(stem, few)) == (not drawn)


def test_an_arm_of_one_level_and_one_run_has_no_interval_and_no_threshold(study, tmp_path):
    one = Arm(tmp_path / "one", "One level", {"kind": "kept"}, {100: 1.0}, {100: 1.0}, splits=[1])
    lone = material(study, {"one": one})
    (row,) = panel(REGISTRY["tableO1_agreement"](lone).tex, "One level")
    assert row[2] == "1"
    assert [row[n] for n in (6, 10)] == ["--"] * 2
    assert "No arm has agreements at two overlaps" in text_of("tableO2_threshold", lone)
    with paper_style():
        for stem in FIGURE_STEMS:
            assert crowded(DRAWINGS[stem](lone)[0]) == []


def test_the_study_itself_is_an_arm_where_it_asks_for_the_affinity_of_its_tasks(study, made):
    inputs = {**study.inputs, **made["even"].inputs}
    spec = {**made["even"].spec, "split": {**made["even"].spec["split"], "labels": {"kind": "all"}}}
    own = Material(PaperStudy.from_spec(spec), inputs)
    table = REGISTRY["tableO1_agreement"](own)
    assert len(panel(table.tex, "Own tasks (level: labels of the largest task")) == 3
    assert set(table.data["arm"]) == {""}


# Table O1 and figure O1.


def test_table_o1_prints_the_mean_correlation_with_its_interval_and_marks_what_is_significant(tables, made):
    for arm in ("kept", "even", "noisy"):
        table = rows_of(made[arm].table("agreement"), statistic="pearson")
        printed = panel(
            tables["tableO1_agreement"].tex, made[arm].spec["title"].replace("&", r"\&").replace("_", r"\_")
        )
        assert [row[0] for row in printed] == [str(level) for level in made[arm].levels]
        for row in printed:
            kinds = ("labels", "labels_magnitude", "signals_magnitude")
            series = [(e, n, k) for e in ("minibatch", "corrected") for n, k in enumerate(kinds)]
            for estimator, n, kind in series:
                told = rows_of(table, **LAST, level=row[0], estimator=estimator, kind=kind).iloc[0]
                cell = row[3 + 4 * (estimator == "corrected") + n]
                assert plain(cell) == pytest.approx(told["mean"], abs=0.00501)
                assert ("$^{*}$" in cell) == (told["p_value"] < 0.05)
            left = rows_of(table, level=row[0], estimator="labels_left", kind="labels")["mean"].iloc[0]
            assert plain(row[-1]) == pytest.approx(left, abs=0.00501, nan_ok=True)


def test_a_correlation_of_fewer_runs_says_of_how_many(study, made, tmp_path):
    table = made["even"].table("agreement")
    few = table.assign(n_runs=table["n_runs"].where(table["estimator"] != "corrected", 3))
    path = tmp_path / "agreement.parquet"
    few.to_parquet(path)
    spec, inputs = within(study.spec, study.inputs, {"even": made["even"]})
    changed = Material(PaperStudy.from_spec(spec), {**inputs, "control_even_agreement": path})
    for row in panel(REGISTRY["tableO1_agreement"](changed).tex, "Alike"):
        assert ["$^{(3)}$" in row[n] for n in (3, 4, 5, 7, 8, 9)] == [False] * 3 + [True] * 3


def test_csv_of_table_o1_holds_every_line_of_every_arm(tables, made):
    found = tables["tableO1_agreement"].data
    for arm in ("kept", "even", "apart", "noisy"):
        own = found[found["arm"] == arm].drop(columns="arm").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, made[arm].table("agreement"))
    assert "three" not in set(found["arm"])


def test_figure_o1_shows_the_runs_and_the_published_points_where_labels_are_kept_by_chance(figures, made):
    _, data = figures["figureO1_agreement"]
    assert set(rows_of(data, series="published")["arm"]) == {"kept"}
    assert len(rows_of(data, series="published")) == 10
    runs = rows_of(made["kept"].table("agreement_runs"), **LAST, kind="signals_magnitude", statistic="pearson")
    for estimator in ("minibatch", "corrected"):
        drawn = rows_of(data, arm="kept", series="run", estimator=estimator)
        np.testing.assert_array_equal(drawn["value"], rows_of(runs, estimator=estimator)["value"])


def test_figure_o1_draws_the_curve_of_lowest_aicc_and_a_band_only_where_there_is_a_threshold(figures, made):
    figure, data = figures["figureO1_agreement"]
    for arm in ("kept", "even", "noisy"):
        curves = rows_of(made[arm].table("agreement_curves"), **LAST, kind="signals_magnitude", statistic="pearson")
        for estimator in ("minibatch", "corrected"):
            of_one = rows_of(curves, estimator=estimator)
            drawn = rows_of(data, arm=arm, series="curve", estimator=estimator)
            assert set(drawn["model"]) == {of_one.loc[of_one["aicc"].idxmin(), "model"]}
    bands = [sum(patch.get_alpha() == 0.12 for patch in ax.patches) for ax in figure.axes[:4]]
    assert bands == [2, 0, 0, 0]


# Table O2.


def test_published_points_refitted_give_another_centre_and_prefer_a_smooth_curve(shown):
    found = published(shown)
    sigmoid = found.over_keep["sigmoid"]
    assert 100 * sigmoid.parameters["x0"] == pytest.approx(37.8, abs=0.1)
    assert sigmoid.r2 == pytest.approx(0.966, abs=5e-4)
    assert printed_r2(shown) == pytest.approx(0.845, abs=5e-4)
    assert float(shown.overlap_reported_values["sigmoid_x0"]) == 29.7
    for fits in (found.over_keep, found.over_jaccard):
        assert min(fits, key=lambda name: fits[name].aicc) == "hyperbola"


def test_reported_jaccard_indices_are_those_of_labels_kept_by_chance():
    table = pd.read_csv(OVERLAP_REPORTED / "threshold.csv")
    keep = table["keep_percent"] / 100
    assert table["keep_percent"].tolist() == list(range(10, 101, 10))
    np.testing.assert_allclose(table["jaccard"], keep / (2 - keep), atol=5.1e-4)
    values = pd.read_csv(OVERLAP_REPORTED / "values.csv")
    assert values["quantity"].is_unique
    assert values["value"].notna().all()


def test_table_o2_finds_the_planted_threshold_and_none_elsewhere(tables):
    tex = tables["tableO2_threshold"].tex
    kept = {tuple(row[:2]): row for row in panel(tex, r"Kept \& lost")}
    for estimator in ("Minibatch cosines", "Corrected cosines"):
        assert kept[estimator, "signals, unsigned"][-1] == "yes"
        assert 0.33 <= plain(kept[estimator, "signals, unsigned"][5]) <= 0.54
    assert {row[-1].split(":")[0] for row in panel(tex, "Noisy")} == {"none"}


X = np.repeat([0.05, 0.2, 0.4, 0.6, 0.8, 1.0], 5)
SEEDS = np.tile(np.arange(5), 6)
NOISE = 0.05 * np.random.default_rng(0).normal(size=X.size)


@pytest.mark.parametrize(
    ("y", "seeds", "words"),
    [
        ((X > 0.5) + NOISE, SEEDS, "yes"),
        (NOISE, SEEDS, "none: smooth is better"),
        ((X > 0.5) + NOISE, np.zeros_like(SEEDS), "none: too few seeds"),
        (np.exp(4 * X) / 50 + NOISE, SEEDS, "none: middle is not seen"),
    ],
)
def test_a_verdict_is_put_in_few_words(y, seeds, words):
    found = threshold(X, y, seeds, np.random.default_rng(1), 0.05, resamples=30)
    assert verdict(vars(found)) == words


def test_two_overlaps_are_too_few():
    found = threshold([0, 0, 1, 1], [0, 0.1, 1, 1.1], [1, 2, 1, 2], np.random.default_rng(1), 0.05, resamples=5)
    assert verdict(vars(found)) == "none: too few overlaps"


# Table O3 and figure O3.


def test_table_o3_holds_correlations_and_the_shares_at_the_median(tables, made):
    rows = panel(tables["tableO3_benefit"].tex, r"Alike\_alloys: 100 of 100 alloys in common")
    benefit, shares = made["even"].table("benefit"), made["even"].table("benefit_shares")
    predictors = {"Minibatch cosines": "minibatch", "Corrected cosines": "corrected"}
    of_relations = ["All labels", "Labels left", "Signals", "All labels, unsigned", "Signals, unsigned"]
    assert [row[0] for row in rows][3:] == of_relations
    for row in (row for row in rows if row[0] in predictors):
        series = {**LAST, "predictor": predictors[row[0]]}
        for place, statistic in ((2, "pearson"), (4, "spearman")):
            told = rows_of(benefit, **series, statistic=statistic)["value"].item()
            assert plain(row[place]) == pytest.approx(told, abs=0.00501)
        for place, side in ((-2, "high"), (-1, "low")):
            told = rows_of(shares, **series, median=True, side=side)["share"].item()
            assert plain(row[place]) == pytest.approx(100 * told, abs=0.501)
    (reported,) = panel(tables["tableO3_benefit"].tex, "As reported in arXiv:2604.07848")
    assert [reported[n] for n in (1, 2, 4, 8, 9)] == ["66", "0.71", "0.68", "78", "31"]


def test_figure_o3_has_a_point_for_each_pair_and_the_correlation_of_the_table(figures, made):
    figure, data = figures["figureO3_benefit"]
    (ax,) = figure.axes
    pairs = rows_of(made["even"].table("pair_gains"), **LAST, predictor="corrected")
    (points,) = (line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xydata(), pairs[["similarity", "gain"]])
    told = rows_of(made["even"].table("benefit"), **LAST, predictor="corrected", statistic="pearson")["value"].item()
    assert f"$r={told:.2f}$" in ax.texts[0].get_text()
    assert len(data) == len(made["even"].table("pair_gains"))


# Table O4, table O5 and figure O2.


def test_table_o4_shows_that_planted_groups_are_recovered(tables, made):
    for row in panel(tables["tableO4_groups"].tex, r"Alike\_alloys (level"):
        assert [row[2], row[3], row[7]] == ["2", "1.00", "100"]
    scores = rows_of(made["even"].table("group_scores"), **LAST, source="corrected", score="nmi", level="0").iloc[0]
    assert panel(tables["tableO4_groups"].tex, r"Alike\_alloys (level")[0][-2] == f"1.00 ({scores['chance']:.2f})"
    assert "0.946 (0.84)" in tables["tableO4_groups"].tex
    missing = [row[8] for row in panel(tables["tableO4_groups"].tex, "Noisy (level")]
    assert missing == ["--"] * 3


def test_csv_of_table_o4_sets_every_score_beside_its_best_cut(tables, made):
    data = tables["tableO4_groups"].data
    for arm, found in made.items():
        cuts, scores = found.table("groupings"), found.table("group_scores")
        names = ["level", "method", "source", "window"]
        scored = set(scores[names].itertuples(index=False, name=None)) if len(scores) else set()
        without = sum(key not in scored for key in cuts[names].itertuples(index=False, name=None))
        assert len(rows_of(data, arm=arm)) == len(scores) + without
    assert not data.duplicated(["arm", "level", "method", "source", "window", "score"]).any()


def test_groups_are_written_with_the_numbers_of_their_tasks(shown):
    study = shown.arms["three"].study
    assert numbered(study, "a+d | b") == "1 3 | 2"
    assert numbered(study, "") == ""


def test_table_o5_holds_gains_contrasts_and_how_many_random_groups_are_beaten(tables, made):
    tex = tables["tableO5_taskonomy"].tex
    title = r"Alike\_alloys: 100 of 100 alloys in common"
    gains = made["even"].table("group_gains").set_index("method")["delta"]
    rows = {row[0]: row for row in panel(tex, title)}
    assert plain(rows["Planted groups"][2]) == pytest.approx(gains["planted"], abs=0.00501)
    mean = gains[["drawn_1", "drawn_2"]].mean()
    assert plain(rows["Mean of random groups"][2]) == pytest.approx(mean, abs=0.00501)
    assert rows["Planted groups"][1] == r"1 2 3 \textbar{} 4 5 6"
    below = tex[tex.index("Contrast") :]
    contrasts = {row[0]: row for row in panel(below, title)}
    assert contrasts["Proposed against random"][-1] == "2 of 2"
    told = rows_of(made["even"].table("group_contrasts"), contrast="proposed against random")["difference"].item()
    assert plain(contrasts["Proposed against random"][1]) == pytest.approx(told, abs=0.00501)
    assert [row[1] for row in panel(below, "As reported")] == ["1.4", "2.7", "4.2"]


def test_figure_o2_shows_both_ends_of_the_arm_that_trains_groups_and_no_matrix_twice(figures):
    figure, data = figures["figureO2_affinity"]
    drawn = data[data["drawn"]].groupby(["arm", "level", "source"], sort=False).size()
    expected = [("kept", "100"), ("even", "0"), ("even", "100"), ("apart", "0"), ("noisy", "100"), ("three", "100")]
    assert [key[:2] for key in drawn.index] == expected
    assert {key[2] for key in drawn.index if key[0] == "noisy"} == {"minibatch"}
    assert [n for *_, n in drawn.reset_index().itertuples(index=False)] == [15] * 5 + [3]
    assert "minibatches" in " ".join(ax.get_title(loc="left") for ax in figure.subfigs[0].axes)


def test_figure_o2_puts_tasks_in_the_order_of_the_tree_and_its_colours_follow(figures, made):
    figure, _ = figures["figureO2_affinity"]
    square = next(ax for ax in figure.subfigs[0].axes if ax.images)
    leaves = rows_of(made["even"].table("linkages"), **LAST, source="corrected", level="0")["leaves"].iloc[0].split()
    assert [label.get_text() for label in square.get_xticklabels()] == [str("abcdef".index(n) + 1) for n in leaves]
    values = rows_of(made["even"].table("mean_affinity"), **LAST, source="corrected", level="0")
    pair = {frozenset(key): v for *key, v in values[["first", "second", "value"]].itertuples(index=False)}
    image = square.images[0].get_array()
    assert image[0, 3] == pair[frozenset((leaves[0], leaves[3]))]
    assert np.ma.getmaskarray(np.ma.masked_invalid(image)).diagonal().all()
    assert to_rgb(square.images[0].cmap(np.nan)) == pytest.approx((0.88,) * 3, abs=0.01)


# All of them.


@pytest.mark.parametrize("stem", TABLE_STEMS)
def test_no_table_prints_a_name_of_the_code(tables, stem):
    words = set(re.findall(r"[A-Za-z_]+", tables[stem].tex.replace(r"\_", "_")))
    assert not words & {"nan", "NaN", "labels_left", "large", "None", "equal", "drawn_1"}


@pytest.mark.parametrize("stem", FIGURE_STEMS)
def test_no_text_of_a_figure_lies_on_another(figures, stem):
    assert crowded(figures[stem][0]) == []


def test_tables_and_figures_of_overlap_are_registered():
    assert len(TABLE_STEMS) == 5
    assert len(FIGURE_STEMS) == 3


@needs_latex
def test_no_table_is_wider_than_the_text(tables, tmp_path):
    for stem, table in tables.items():
        (tmp_path / f"{stem}.tex").write_text(table.tex, encoding="utf-8")
    parts = [rf"{{\footnotesize\input{{{stem}}}}}\clearpage" for stem in tables]
    (tmp_path / "all.tex").write_text(DOCUMENT % "\n".join(parts), encoding="utf-8")
    done = subprocess.run([*typeset.COMMAND, "all.tex"], cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log
