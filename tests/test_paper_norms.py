"""Tables, figures and sentences on gradient norms, on the grid search of loss weights, and on costs."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from alloymtl.paper.figures import balancing_cost as figure_cost
from alloymtl.paper.figures import norms as figure_norms
from alloymtl.paper.figures.balancing_cost import apart
from alloymtl.paper.figures.style import paper_style
from alloymtl.paper.layout import TABLES
from alloymtl.paper.material import Material
from alloymtl.paper.numbers import balancing_norms
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.tables import REGISTRY, reported_gains
from alloymtl.paper.tables.across import twins
from alloymtl.paper.wording.conclusions import Conclusions
from alloymtl.paper.wording.prose import Prose
from paper_fixture import TEMPLATES

STEMS = ("tableB3_equivalence", "tableB4_norms", "tableB5_costs", "tableB6_published")
DRAWINGS = {"norms": figure_norms.draw, "cost": figure_cost.draw}


def material(study):
    return Material(PaperStudy.from_spec(study.spec), study.inputs)


@pytest.fixture(scope="module")
def shown(whole):
    return material(whole[0])


@pytest.fixture(scope="module")
def said(shown):
    """Numbers and facts, and the sentences made from them."""
    store = Store()
    for collect in ("equivalence", "norms", "costs", "gains"):
        getattr(balancing_norms, collect)(shown, store)
    return store, Conclusions(Prose(shown.study, {"numbers": store.numbers, "facts": store.facts}))


@pytest.mark.parametrize("stem", STEMS)
def test_tables_hold_every_row_of_what_they_show_and_no_label_of_the_code(shown, stem):
    assert stem in TABLES
    table = REGISTRY[stem](shown)
    steps = {"tableB3_equivalence": "equivalence", "tableB4_norms": "norms", "tableB5_costs": "balancing_costs"}
    if stem in steps:
        pd.testing.assert_frame_equal(table.data, getattr(shown, steps[stem]), check_dtype=False)
    assert not {"gradient_norm", "grid_search", "weights_equal", "nan"} & set(table.tex.replace("&", " ").split())


@pytest.mark.parametrize("stem", STEMS)
def test_a_study_without_the_experiment_says_so(simulated, stem):
    table = REGISTRY[stem](material(simulated[0]))
    assert table.data.empty
    assert "This study has no experiment on balancing" in table.tex


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_of_a_study_without_the_experiment_says_so(simulated, name):
    with paper_style():
        figure, data = DRAWINGS[name](material(simulated[0]))
    assert data.empty
    assert figure.texts[0].get_text().startswith("This study has no experiment on balancing")


def test_methods_that_differ_in_their_sampler_alone_share_a_row(shown):
    names = ["weights_equal", "hard", "slaw", "equal_stratified", "slaw_stratified", "hard_stratified"]
    rows = twins(shown.study, names)
    assert rows[0] == {"uniform": "weights_equal", "stratified": "equal_stratified"}
    assert rows[2] == {"uniform": "slaw", "stratified": "slaw_stratified"}
    assert sum(map(len, rows)) == len(names)


def test_members_of_one_family_are_marked(shown):
    lines = REGISTRY["tableB5_costs"](shown).tex.splitlines()
    marked = {line.split(" & ")[0] for line in lines if r"$^{\dagger}$" in line}
    assert marked == {r"Gradient norms$^{\dagger}$", r"SLAW \& more$^{\dagger}$"}


# Beside the reported gains.


def test_reported_gains_keep_their_digits_and_name_balancers_that_exist():
    table = pd.read_csv(TEMPLATES / "reported/2509.23915/tables.csv", dtype=str, keep_default_na=False)
    balancers = {path.stem for path in (TEMPLATES.parent / "workflow/alloymtl/methods/balancers").glob("[!_]*.py")}
    assert set(table["balancer"]) - {""} <= balancers
    assert not table.duplicated(["data", "backbone", "row"]).any()
    scaled, searched = (
        table[(table["balancer"] == b) & (table["data"] == "NYUD-v2") & (table["backbone"] == "ResNet-18")]["delta"]
        for b in ("gradient_norm", "grid_search")
    )
    assert (scaled.item(), searched.item()) == ("0.37", "-0.15")


def test_ranks_and_signs_are_of_the_methods_that_both_have(shown):
    data = reported_gains.compared(shown)
    ours = shown.balancing_costs.set_index("method")["delta"]
    assert set(data["method"]) <= set(ours.index)
    for _, panel in data.groupby(["data", "backbone", "sampler"]):
        values = panel["delta"].to_numpy()
        assert values == pytest.approx(ours[panel["method"]].to_numpy())
        for row in panel.itertuples():
            assert row.rank == 1 + (values > row.delta).sum()
            assert row.published_rank == 1 + (panel["published"].astype(float) > float(row.published)).sum()
            assert row.same_sign == (float(row.published) * row.delta > 0)


def test_pairs_in_the_same_order_are_counted_within_a_panel():
    place = {"data": "d", "backbone": "b", "sampler": "s"}
    rows = [{**place, "published": str(r), "delta": float(d)} for r, d in ((1, 1), (2, 3), (3, 2), (3, 5))]
    rows += [{**place, "sampler": "other", "published": "9", "delta": -1.0}]
    # Six pairs, one of which the paper ties; (2, 3) and (3, 2) stand the other way round.
    assert reported_gains.same_order(pd.DataFrame(rows)) == (4, 5)


# Figures.


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.001, 0.05))
def test_names_keep_their_order_and_their_distance(places, gap):
    heights = apart(np.sort(places), gap)
    assert (np.diff(heights) > gap * (1 - 1e-9)).all()
    assert heights[0] >= gap / 2 - 1e-12
    assert heights[-1] <= 1 - gap / 2 + 1e-12


def test_names_that_are_apart_stay_where_they_are():
    assert apart([0.1, 0.4, 0.8], 0.05) == pytest.approx([0.1, 0.4, 0.8])


def test_names_beside_marks_do_not_overlap(shown):
    with paper_style():
        figure, _ = figure_cost.draw(shown)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        for ax in figure.axes:
            boxes = [text.get_window_extent(renderer) for text in ax.texts]
            # Lines of text may touch where no letter does.
            assert not any(a.y0 + 1 < b.y1 - 1 and b.y0 + 1 < a.y1 - 1 for a, b in combinations(boxes, 2))


def test_norms_are_drawn_before_scaling_and_after(shown):
    with paper_style():
        figure, data = figure_norms.draw(shown)
    assert len(data) == len(shown.norm_points)
    drawn = data[data["role"] != ""]
    found = set(drawn[["role", "method", "measure"]].itertuples(index=False, name=None))
    assert found == {
        ("before", "weights_equal", "norm"),
        ("before", "equal_stratified", "norm"),
        ("after", "gradient_norm", "norm_scaled"),
        ("after", "gradient_norm_stratified", "norm_scaled"),
    }
    points = sum(len(line.get_xdata()) for ax in figure.axes for line in ax.lines if line.get_markersize() == 2.2)
    assert points == len(drawn)


# Text.


def test_numbers_are_those_of_the_tables(shown, said):
    store, _ = said
    for panel in store.facts["equivalence"]["panels"]:
        table = shown.equivalence
        row = table[(table["method"] == panel["method"]) & (table["level"] == "")].iloc[0]
        assert store.numbers[f"{panel['key']}.difference"]["value"] == row["difference"]
        assert panel["verdict"] == row["verdict"]
    costs = shown.balancing_costs.set_index("method")
    assert store.numbers["costs.grid_search.all"]["value"] == costs.loc["grid_search", "relative_seconds"]
    assert store.numbers["costs.grid_search.trainings"]["value"] == 49
    json.dumps(store.facts)


@pytest.mark.parametrize("verdict", ["equivalent", "better", "worse", "not shown", "undefined"])
@pytest.mark.parametrize("others", [{}, {"worse": ["slaw"]}, {"worse": ["slaw", "hard"], "equivalent": ["pcgrad"]}])
def test_each_verdict_has_its_sentence(said, verdict, others):
    store, say = said
    panel = store.facts["equivalence"]["panels"][0]
    levels = {v: ["1000", "all"] * (v == verdict) for v in panel["levels"]}
    every = {verdict_: [] for verdict_ in panel["others"]} | others
    told = say.reaches({**panel, "verdict": verdict, "levels": levels, "others": every})
    phrases = {
        "equivalent": "reaches the grid search to within the margin",
        "better": "is better than the grid search",
        "worse": "falls short of the grid search",
        "not shown": "neither is Gradient norms shown to equal the grid search",
        "undefined": "cannot be told in per cent",
    }
    assert phrases[verdict] in told
    assert told.endswith(".")
    assert ("PCGrad" in told) == ("equivalent" in others)


@pytest.mark.parametrize("sign", ["above", "below", "around", None])
def test_a_correlation_is_read_by_where_its_interval_lies(said, sign):
    store, say = said
    entry = store.facts["norms"]["methods"][0]
    told = say.norms({**entry, "as_met": {**entry["as_met"], "both": {**entry["as_met"]["both"], "sign": sign}}})
    phrases = {"above": "gain more,", "below": "gain less,", "around": "no relation is shown", None: "shows nothing of"}
    assert [word for word, phrase in phrases.items() if phrase in told] == [sign]


def test_templates_hold_no_result():
    text = (TEMPLATES / "results_balancing_norms.tex.j2").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("%")]
    digits = {c for line in kept for c in line if c.isdigit()}
    named = {c for stem in ("B3", "B4", "B5", "B6", "guo2025", "schuirmann1987", "hesterberg2015") for c in stem}
    assert digits <= named
