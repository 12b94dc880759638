"""The figures of the experiments: every run is in them, means are means, and nothing overlaps."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.experiment import Experiment
from alloymtl.paper import figures
from alloymtl.paper.figures import soft as figure_soft
from alloymtl.paper.figures.style import colours, paper_style
from alloymtl.paper.material import Material
from alloymtl.paper.samples import interval
from alloymtl.paper.spec import PaperStudy
from paper_fixture import (
    FULL_METHODS,
    GRAPHS,
    SOFT,
    THREE_TASKS,
    drop_one_run,
    full_experiments,
    run_figures,
    sharing,
    specification,
    two,
    without,
)
from paper_world import MadeUpStudy

MINORITY = ["hardness", "amorphous"]
SHOWN = {
    "figure6_imbalance": (["imbalance", "imbalance_steps"], MINORITY),
    "figure8_transfer": (["transfer"], MINORITY),
    "figureC1_weighting": (["weighting"], list(THREE_TASKS)),
    "figureC3_soft": (["soft"], list(THREE_TASKS)),
}
NEW = [*SHOWN, "figure7_cosine", "figureC2_mitigation", "figureC4_planted", "figureB1_levels", "figureB2_ranks"]
CELL = ["method", "level", "split_seed", "seed"]
FIRST = {"regression": "r2", "classification": "f1"}
SEVERAL_TASKS = {
    "thermal_conductivity": {"kind": "regression", "title": "Thermal conductivity", "unit": "W/m/K"},
    "hardness": THREE_TASKS["hardness"],
    "ultimate_strength": {"kind": "regression", "title": "Ultimate tensile strength", "unit": "MPa"},
    "formation_enthalpy": {"kind": "regression", "title": "Formation enthalpy", "unit": "kJ/mol"},
    "amorphous": THREE_TASKS["amorphous"],
}


def every_experiment(root, tasks):
    """All experiments of the whole study on other tasks, none of whose names the code can know."""
    sizes = {name: 900 - 40 * n for n, name in enumerate(tasks)} | {next(iter(tasks)): 52388}
    noise = {name: m["noise"] for name, m in FULL_METHODS.items()}
    spec = specification(tasks, FULL_METHODS, full_experiments())
    return MadeUpStudy(root, spec, sizes, noise, relations=["structured", *GRAPHS], similar=list(SOFT))


@pytest.fixture(scope="module")
def drawn(whole):
    study, root = whole
    return study, run_figures(study, root / "drawn")


@pytest.fixture(scope="module")
def shown(drawn):
    _, files = drawn
    return {stem: pd.read_csv(files[f"{stem}_csv"]) for stem in NEW}


def material(study):
    return Material(PaperStudy.from_spec(study.spec), study.inputs)


def draw(study, stem):
    with paper_style():
        return figures.DRAWINGS[stem](material(study))


def runs(table):
    return table[table["series"] == "run"].astype({"level": str, "split_seed": int, "seed": int})


@pytest.mark.parametrize("stem", SHOWN)
def test_every_run_of_an_experiment_is_in_its_figure(drawn, shown, stem):
    study, _ = drawn
    names, tasks = SHOWN[stem]
    wanted = {
        (name, *cell, task)
        for name in names
        for e in [study.experiments[name]]
        for cell in product(e["methods"], map(str, e["levels"]), e["split_seeds"], e["seeds"])
        for task in tasks
    }
    found = runs(shown[stem])
    found = found[found["experiment"].isin(names) & found["task"].notna()]
    assert set(found[["experiment", *CELL, "task"]].itertuples(index=False, name=None)) == wanted
    assert len(found) == len(wanted)


@pytest.mark.parametrize("stem", SHOWN)
def test_values_are_those_of_the_runs_on_their_first_metric(drawn, shown, stem):
    study, _ = drawn
    metrics = pd.read_parquet(study.inputs["metrics"])
    value = metrics.set_index([*CELL, "task", "metric"])["value"]
    kinds = {t["name"]: t["kind"] for t in study.spec["tasks"]}
    found = runs(shown[stem])
    found = found[found["task"].notna()]
    keys = [(*row[:-1], row[-1], FIRST[kinds[row[-1]]]) for row in found[[*CELL, "task"]].itertuples(index=False)]
    np.testing.assert_allclose(found["value"], value.loc[keys])


@pytest.mark.parametrize("stem", SHOWN)
def test_means_and_intervals_follow_from_the_runs_beside_them(shown, stem):
    key = [c for c in shown[stem] if c not in ("series", "split_seed", "seed", "value", "ci_low", "ci_high", "n")]
    for _, rows in shown[stem].groupby(key, dropna=False):
        values, mean = rows.loc[rows["series"] == "run", "value"], rows[rows["series"] == "mean"]
        if not len(values):
            assert set(rows["series"]) == {"reported"}
            continue
        t = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        expected = [values.mean(), t.low, t.high, len(values)]
        np.testing.assert_allclose(mean[["value", "ci_low", "ci_high", "n"]].to_numpy(), [expected])


def test_of_several_splits_each_counts_once():
    experiment = Experiment("e", ("m",), (), ("all",), (1, 2, 3), (7, 8))
    values = np.array([0.2, 0.4, 0.5, 0.7, 0.1, 0.3])
    t = stats.ttest_1samp([0.3, 0.6, 0.2], 0).confidence_interval(0.9)
    found = interval(values, experiment, 0.1)
    assert found == pytest.approx({"value": 1.1 / 3, "ci_low": t.low, "ci_high": t.high, "n": 3})


def test_one_run_has_no_interval():
    found = interval(np.array([0.4]), Experiment("e", ("m",), (), ("all",), (1,), (7,)), 0.05)
    assert (found["value"], found["n"]) == (0.4, 1)
    assert np.isnan([found["ci_low"], found["ci_high"]]).all()


def test_figure6_counts_the_rows_of_the_largest_task(shown):
    table = shown["figure6_imbalance"]
    assert (table["rows"] == table["level"].replace("all", "52388").astype(int)).all()


def test_figure6_and_c3_show_what_was_reported(shown):
    columns = ["method", "level", "task", "metric", "value"]
    told = shown["figure6_imbalance"].query("series == 'reported'")[columns].astype({"level": str})
    values = {"1000": 0.830, "5000": 0.866, "10000": 0.845, "25000": 0.756, "all": 0.668}
    expected = [("hard", level, "hardness", "r2", value) for level, value in values.items()]
    assert sorted(told.itertuples(index=False, name=None)) == sorted(expected)
    soft = shown["figureC3_soft"].query("series == 'reported' and method == 'soft_1em3'")
    assert dict(zip(soft["metric"] + soft["task"].fillna(""), soft["value"], strict=True)) == {
        "r2resistivity": 0.868,
        "r2hardness": 0.764,
        "f1amorphous": 0.744,
        "weight_cosine": 0.996,
    }


def of_conflict(study, name):
    """Rows of a table that the experiment on conflict asks for."""
    table = pd.read_parquet(study.inputs[name])
    own = study.experiments["conflict"]
    return table[table["method"].isin(own["methods"]) & table["level"].isin(map(str, own["levels"]))]


def test_figure7_holds_every_run_and_the_mean_where_all_have_a_value(drawn, shown):
    study, _ = drawn
    gradients = of_conflict(study, "gradients").query("measure == 'cosine'")
    table = shown["figure7_cosine"].query("series != 'summary'").astype({"epoch": int})
    key = ["first", "second", "method", "epoch"]
    course = runs(table).set_index([*key, "seed"])["value"].sort_index()
    pd.testing.assert_series_equal(course, gradients.set_index([*key, "seed"])["value"].sort_index())
    mean = table[table["series"] == "mean"].set_index(key)["value"].sort_index()
    pd.testing.assert_series_equal(mean, gradients.groupby(key)["value"].mean())


def test_figure7_sums_up_as_the_table_of_conflict_does(drawn, shown):
    study, _ = drawn
    key = ["first", "second", "method", "measure"]
    summary = shown["figure7_cosine"].query("series == 'summary'").set_index(key).sort_index()
    conflict = of_conflict(study, "conflict").set_index(key).sort_index()
    assert len(summary) == 3 * 3 * 3
    for ours, theirs in {"value": "mean", "ci_low": "ci_low", "ci_high": "ci_high"}.items():
        pd.testing.assert_series_equal(summary[ours], conflict[theirs], check_names=False)


def test_figure7_averages_no_course_that_a_run_lacks(drawn, tmp_path):
    def spoil(table):
        one = (table["seed"] == 456) & (table["method"] == "hard") & (table["measure"] == "cosine")
        pair = (table["first"] == "hardness") & (table["second"] == "amorphous")
        other = (table["first"] == "resistivity") & (table["second"] == "hardness") & (table["epoch"] > 20)
        return table[~(one & (pair | other))]

    _, data = draw(without(drawn[0], tmp_path, "gradients", spoil), "figure7_cosine")
    mean = data[(data["series"] == "mean") & (data["method"] == "hard")]
    last = mean.groupby(["first", "second"])["epoch"].max().to_dict()
    assert last == {("resistivity", "hardness"): 20, ("resistivity", "amorphous"): 39}


def test_figure7_leaves_out_a_measure_that_is_not_defined(drawn, tmp_path):
    lacks = {"method": "hard", "measure": "corrected", "first": "hardness"}
    _, data = draw(
        without(drawn[0], tmp_path, "conflict", lambda table: drop_one_run(table, **lacks)), "figure7_cosine"
    )
    assert (data["series"] == "summary").sum() == 26


@pytest.mark.parametrize(("shared", "text"), [(0, "0%"), (2, "0.1%"), (164, "11%"), (800, "95%")])
def test_figure7_names_the_overlap_of_labels(drawn, tmp_path, shared, text):
    figure, _ = draw(sharing(drawn[0], tmp_path, "hardness", "amorphous", shared), "figure7_cosine")
    title = next(t for t in (ax.get_title(loc="left") for ax in figure.axes) if t.startswith("Hardness / Amorphous"))
    assert title.endswith(f"label overlap {text}")


def test_figure_c2_is_the_paired_tests_beside_the_reported_changes(drawn, shown):
    study, _ = drawn
    table = shown["figureC2_mitigation"].set_index(["method", "task"])
    tests = pd.read_parquet(study.inputs["comparisons"]).query("experiment == 'mitigation'")
    tests = tests[tests["primary"]].set_index(["method", "task"])
    for column in ("mean_difference", "ci_low", "ci_high", "p_holm"):
        pd.testing.assert_series_equal(table[column].sort_index(), tests[column].sort_index())
    assert (table["baseline"] == "hard").all()
    told = table["reported_difference"]
    assert told["pcgrad", "hardness"] == pytest.approx(0.855 - 0.761)
    assert told["bmse_pcgrad", "amorphous"] == pytest.approx(0.676 - 0.692)
    assert told[["gai", "bni", "bmse_gradnorm"]].isna().all()


def test_figure_c3_holds_every_pair_of_backbones(drawn, shown):
    study, _ = drawn
    similarity = pd.read_parquet(study.inputs["similarity"])
    key = ["method", "seed", "first", "second"]
    found = runs(shown["figureC3_soft"].query("task.isna()")).set_index([*key, "metric"])["value"].sort_index()
    expected = similarity.set_index([*key, "measure"])["value"].sort_index()
    np.testing.assert_allclose(found, expected)
    assert list(found.index) == list(expected.index)


def test_figure_c3_orders_couplings_with_zero_at_the_left(shown):
    soft = shown["figureC3_soft"].query("coupling.notna()")
    assert dict(soft[["method", "coupling"]].drop_duplicates().itertuples(index=False, name=None)) == {
        name: m["options"]["architecture"]["coupling"] for name, m in SOFT.items()
    }
    assert figure_soft._places([1e-2, 0.0, 1e-4]) == pytest.approx({0.0: -5.0, 1e-4: -4.0, 1e-2: -2.0})


def test_figure_c4_tells_planted_relations_from_the_others(drawn, tmp_path):
    study = drawn[0]
    mechanical = {"hardness", "yield_strength"}

    def plant(table):
        alike = table["task"].isin(mechanical) == table["source"].isin(mechanical)
        strength = np.where(table["task"] == table["source"], 0.9, np.where(alike, 0.5, 0.1))
        return table.assign(strength=strength + 1e-4 * table["seed"].rank(method="dense"))

    _, data = draw(without(study, tmp_path, "control_planted_relations", plant), "figureC4_planted")
    mean = data[data["series"] == "mean"].set_index(["method", "group"])
    assert set(mean.index) == set(product(["structured", "structured_no_penalty"], ["within", "between"]))
    assert mean["value"].xs("within", level="group").tolist() == pytest.approx([0.5003] * 2)
    assert mean["value"].xs("between", level="group").tolist() == pytest.approx([0.1003] * 2)
    assert mean["pairs"].xs("within", level="group").tolist() == [4, 4]  # receiver and source, in two clusters of two
    assert (data["series"] == "run").sum() == 2 * 2 * 5


@pytest.mark.parametrize(
    ("name", "stem", "wanted"),
    [
        ("gradients", "figure7_cosine", {"method": "hard_stratified", "seed": 123}),
        ("similarity", "figureC3_soft", {"method": "soft_1", "seed": 123, "measure": "cka", "first": "hardness"}),
        ("metrics", "figure6_imbalance", {"method": "hard", "level": "5000", "seed": 123, "task": "hardness"}),
        ("metrics", "figure8_transfer", {"method": "transfer_random", "seed": 123, "task": "amorphous"}),
        ("control_planted_relations", "figureC4_planted", {"method": "structured", "seed": 123, "task": "hardness"}),
    ],
)
def test_a_missing_run_stops_and_is_named(drawn, tmp_path, name, stem, wanted):
    study = without(drawn[0], tmp_path, name, lambda table: drop_one_run(table, **wanted))
    run = f"{wanted['method']}/level-{wanted.get('level', 'all')}/split-42/seed-123"
    with pytest.raises(UserError, match=f"{name}.parquet: {run}"):
        draw(study, stem)


def test_a_summary_that_stands_twice_stops(drawn, tmp_path):
    study = without(drawn[0], tmp_path, "conflict", lambda table: pd.concat([table, table[:1]]))
    with pytest.raises(UserError, match="resistivity, hardness, hard, minibatch stands there twice"):
        draw(study, "figure7_cosine")


@pytest.mark.parametrize("stem", NEW)
def test_a_study_without_the_experiment_says_so(tmp_path, stem):
    figure, data = draw(two(tmp_path), stem)
    assert data.empty
    assert len(data.columns)
    assert [t.get_text().split(" no ")[0] for t in figure.texts] == ["This study has"]


def test_the_same_results_give_the_same_bytes(drawn, tmp_path):
    study, files = drawn
    for name, path in run_figures(study, tmp_path).items():
        assert path.read_bytes() == files[name].read_bytes(), name


def test_methods_of_the_main_comparison_keep_their_colours():
    spec = PaperStudy.from_spec(specification(THREE_TASKS, FULL_METHODS, full_experiments()))
    main = colours(spec)
    assert list(main) == list(spec.main.methods)
    for experiment in spec.experiments.values():
        found = colours(spec, experiment.methods)
        assert {name: found[name] for name in main} == main
        assert len({found[name] for name in experiment.methods}) == len(experiment.methods)


def visible_texts(figure):
    """Every text that is drawn level or upright, with its box in pixels."""
    FigureCanvasAgg(figure).draw()
    hidden = set()
    for axis in figure.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low - slack <= tick.get_loc() <= high + slack:
                hidden |= {id(tick.label1), id(tick.label2)}
    for text in figure.findobj(Text):
        if id(text) not in hidden and text.get_visible() and text.get_text().strip() and text.get_rotation() % 90 == 0:
            yield text.get_text(), text.get_window_extent(figure.canvas.get_renderer())


def crowded(figure):
    """Pairs of texts that lie on each other, and texts that leave the figure."""
    texts = [(text, box) for text, box in visible_texts(figure) if box.width]
    outside = [t for t, b in texts if min(b.x0, b.y0) < -1 or b.x1 > figure.bbox.x1 + 1 or b.y1 > figure.bbox.y1 + 1]
    for (a, one), (b, other) in combinations(texts, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        down = min(one.y1, other.y1) - max(one.y0, other.y0)
        if across > 0.5 and down > 1.5:
            outside.append((a, b))
    return outside


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return every_experiment(tmp_path_factory.mktemp("several"), SEVERAL_TASKS)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return every_experiment(tmp_path_factory.mktemp("single"), {"hardness": THREE_TASKS["hardness"]})


@pytest.mark.parametrize("stem", NEW)
@pytest.mark.parametrize("name", ["whole", "several", "single"])
def test_no_text_lies_on_another_or_leaves_the_figure(request, name, stem):
    study = request.getfixturevalue(name)
    figure, _ = draw(study[0] if name == "whole" else study, stem)
    assert crowded(figure) == []


def test_texts_that_lie_on_each_other_are_found(whole):
    figure, _ = draw(whole[0], "figure8_transfer")
    figure.axes[0].set_xticks([0.5, 0.501], ["one label", "another one"])
    assert ("one label", "another one") in crowded(figure)


def test_one_task_leaves_what_needs_two(single):
    for stem, empty in {"figure7_cosine": True, "figure8_transfer": True, "figureC1_weighting": False}.items():
        _, data = draw(single, stem)
        assert data.empty == empty
    _, soft = draw(single, "figureC3_soft")
    assert set(soft["metric"]) == {"r2"}


def test_several_splits_are_drawn_with_one_value_a_split_behind_each_mean(tmp_path):
    experiments = [{**e, "split_seeds": [1, 2, 3], "seeds": [42, 123]} for e in full_experiments()]
    noise = {name: m["noise"] for name, m in FULL_METHODS.items()}
    sizes = {"resistivity": 26000, "hardness": 800, "amorphous": 840}
    spec = specification(THREE_TASKS, FULL_METHODS, experiments)
    study = MadeUpStudy(tmp_path, spec, sizes, noise, relations=["structured", *GRAPHS], similar=list(SOFT))
    _, data = draw(study, "figureC3_soft")
    assert (data.loc[data["series"] == "mean", "n"] == 3).all()
    counts = data[data["series"] == "run"].groupby(["method", "metric", "task", "first", "second"], dropna=False).size()
    assert (counts == 6).all()
