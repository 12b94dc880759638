"""The simulator: frozen worlds, exact compositions and overlaps, a truth that the settings plant."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from alloymtl.data.simulate import (
    PROPERTIES,
    Settings,
    common_pool,
    compositions,
    measure,
    signal,
    signal_correlation,
    step,
)
from alloymtl.data.simulate.compositions import wafer_points
from alloymtl.data.simulate.elements import INDEX, PAIR_ENTHALPY, SYMBOLS
from alloymtl.data.simulate.physics import PHYSICS, Descriptors, order, resistivity
from alloymtl.errors import UserError
from alloymtl.files import read_json

FULL = {"resistivity": 52388, "hardness": 800, "amorphous": 840}
SMALL = {"resistivity": 1000, "hardness": 160, "amorphous": 150}
NINE = SMALL | {
    "thermal_conductivity": 300,
    "seebeck": 310,
    "yield_strength": 120,
    "ultimate_strength": 130,
    "formation_enthalpy": 170,
    "phase_stability": 140,
}
REPORTED = ["resistivity", "hardness", "amorphous"]


def spec(rows=SMALL, **changes):
    """The config section with the schema's defaults."""
    defaults = {
        "seed": 6,
        "relatedness": 0.0,
        "latent_per": "all",
        "latent_scale": 0.2,
        "signal": "physics",
        "design_dimensions": 3,
        "pool": "own",
        "overlap": {},
        "unmodelled": {},
        "encoding": "utf-8-sig",
        "hardness_unit": "GPa",
        "resistivity_unit": "uohm_cm",
        "boolean": "0/1",
    }
    assert set(changes) <= set(defaults)
    return defaults | changes | {"rows": dict(rows)}


def world(rows=SMALL, **changes):
    settings = Settings.from_spec(spec(rows, **changes))
    return settings, compositions(settings)


def simulate(folder, **values):
    section = spec(**values)
    outputs = {name: folder / f"{name}.csv" for name in section["rows"]} | {"truth": folder / "truth.json"}
    step(section, {}, outputs)
    return outputs


def digest(*arrays):
    """Checksum of integers: printed compositions, lots, labels in units of their last decimal."""
    text = hashlib.sha256()
    for array in arrays:
        text.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return text.hexdigest()[:16]


def world_digest(section):
    """Checksums of (lots and printed compositions, labels), over all tasks of a world."""
    settings = Settings.from_spec(section)
    samples = compositions(settings)
    made = [part for own in (samples[task] for task in section["rows"]) for part in (own.lot, own.printed)]
    labels = [np.rint(measure(task, samples[task], settings) * 1000) for task in section["rows"]]
    return digest(*made), digest(*labels)


def printed_alloys(samples):
    return {tuple(row) for row in samples.printed.tolist()}


def jaccard(a, b):
    return len(a & b) / len(a | b)


@pytest.fixture(scope="module")
def default_world():
    return world(FULL)


# Checksums of worlds in integers, from the data on which the constants were calibrated: (compositions, labels).
FROZEN = {
    "default": (spec(FULL), ("7693c38cbd7d1382", "58de97f730eb52e0")),
    "another seed": (spec(seed=7), ("e89beb1bd3f742d1", "96dcf9c6a3ec7e86")),
    "every property": (spec(NINE, unmodelled={"seebeck": 0.05}), ("2fd0affc77eea9d9", "c660e1018bb48824")),
    "related clusters": (
        spec(seed=8, relatedness=0.5, latent_per="cluster", latent_scale=0.3),
        ("32118b0a3f5e60ec", "61df4d1ad0e19f07"),
    ),
    "overlapping pairs": (
        spec(overlap={"hardness-amorphous": 0.3, "resistivity-hardness": 0.05}),
        ("cfd8222f492b1878", "44ad2782af6543a9"),
    ),
    "one pool of films": (
        spec(pool="film", overlap={"hardness-amorphous": 0.3}),
        ("525002d3cfb585e4", "de0c2a6e58f66787"),
    ),
    "one pool of bulk": (spec(pool="bulk"), ("d11b6df997528d39", "fb341679891234f1")),
    "one pool of ribbons": (spec(pool="ribbon"), ("0e254825db838cd3", "1028721551f13992")),
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_world_is_frozen(name):
    section, expected = FROZEN[name]
    assert world_digest(section) == expected


def test_the_default_world_has_the_calibrated_marginals(default_world):
    settings, samples = default_world
    label = {task: measure(task, own, settings) for task, own in samples.items()}
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(label["resistivity"], levels) == pytest.approx([58, 93, 131, 169, 233], abs=0.5)
    assert np.quantile(label["hardness"], levels) == pytest.approx([1.9, 3.7, 5.75, 7.05, 8.97], abs=0.03)
    assert (label["hardness"].mean(), label["hardness"].std()) == pytest.approx((5.507, 2.220), abs=0.001)
    assert (label["amorphous"].sum(), len(label["amorphous"])) == (307, 840)
    glass = PHYSICS["amorphous"](samples["resistivity"].true) > 0
    means = [label["resistivity"][~glass].mean(), label["resistivity"][glass].mean()]
    assert means == pytest.approx([113, 185], abs=0.5)


def test_the_default_world_has_the_kinds_of_sample_it_should(default_world):
    _, samples = default_world
    components = {task: set((own.printed > 0).sum(axis=1).tolist()) for task, own in samples.items()}
    assert components == {"resistivity": {2, 3}, "hardness": {4, 5, 6}, "amorphous": {2, 3, 4}}
    lots = {task: len(np.unique(own.lot)) for task, own in samples.items()}
    assert lots == {"resistivity": 218, "hardness": 133, "amorphous": 74}
    assert {task for task, own in samples.items() if own.position is not None} == {"resistivity"}


def test_planted_correlations_are_the_specified_ones(default_world):
    _, samples = default_world
    pool = common_pool(samples)
    pairs = np.triu_indices(3, 1)

    def planted(**changes):
        return signal_correlation(pool, Settings.from_spec(spec(FULL, **changes)), REPORTED)[pairs]

    assert planted() == pytest.approx([0.52, 0.66, 0.50], abs=0.005)
    assert planted(unmodelled=dict.fromkeys(PROPERTIES, 0.0)) == pytest.approx([0.60, 0.78, 0.66], abs=0.005)
    unrelated = signal_correlation(pool, Settings.from_spec(spec(FULL, relatedness=1.0, latent_per="task")))
    assert np.abs(unrelated - np.eye(len(PROPERTIES))).max() < 0.225
    clustered = signal_correlation(pool, Settings.from_spec(spec(FULL, relatedness=1.0, latent_per="cluster")))
    cluster = np.array([p.cluster for p in PROPERTIES.values()])
    within = cluster[:, None] == cluster
    assert clustered[within].min() > 0.815
    assert np.abs(clustered[~within]).max() < 0.255


def test_wholly_related_tasks_order_alloys_alike_and_keep_their_values(default_world):
    settings, samples = default_world
    pool = common_pool(samples)
    related = Settings.from_spec(spec(FULL, relatedness=1.0))
    same = [signal(task, pool, related) for task in PROPERTIES]
    assert spearmanr(np.array(same), axis=1).statistic == pytest.approx(1)
    for task, values in zip(PROPERTIES, same, strict=True):
        assert np.array_equal(np.sort(values), np.sort(PHYSICS[task](pool)))
        assert np.array_equal(np.sort(values), np.sort(signal(task, pool, settings)))


def test_without_unmodelled_or_shared_parts_the_signal_is_the_physics(default_world):
    _, samples = default_world
    pool = common_pool(samples)
    plain = Settings.from_spec(spec(FULL, unmodelled={"hardness": 0.0}))
    assert np.array_equal(signal("hardness", pool, plain), PHYSICS["hardness"](pool))


def test_printed_compositions_sum_to_100_and_never_recur(tmp_path):
    outputs = simulate(tmp_path, rows=FULL)
    seen = []
    for task, n in FULL.items():
        table = pd.read_csv(outputs[task], encoding="utf-8-sig", dtype=str)
        assert len(table) == n
        assert table["sample"].is_unique
        shown = table[list(SYMBOLS)]
        assert shown.map(lambda cell: len(cell.partition(".")[2]) <= 2).all(axis=None)
        hundredths = (shown.astype(float) * 100).round().astype(int)
        assert (hundredths.sum(axis=1) == 10_000).all()
        seen.append(hundredths)
    assert not pd.concat(seen).duplicated().any()


@given(
    n=st.integers(20, 120),
    m=st.integers(20, 120),
    index=st.floats(0, 1),
    pool=st.sampled_from(["own", "film", "ribbon"]),
    seed=st.integers(0, 5),
)
@hypothesis_settings(max_examples=25, deadline=None, derandomize=True)
def test_overlap_is_exact_to_one_row(n, m, index, pool, seed):
    wanted = index * min(n, m) / max(n, m)
    rows = {"hardness": n, "amorphous": m, "seebeck": 25}
    _, samples = world(rows, overlap={"amorphous-hardness": wanted}, pool=pool, seed=seed)
    alloys = {task: printed_alloys(own) for task, own in samples.items()}
    assert {task: len(own) for task, own in alloys.items()} == rows
    common = len(alloys["hardness"] & alloys["amorphous"])
    assert abs(common - wanted * (n + m) / (1 + wanted)) <= 0.5 + 1e-9
    assert not alloys["seebeck"] & (alloys["hardness"] | alloys["amorphous"])


def test_pairs_of_an_overlap_share_no_alloy_among_three_tasks():
    overlap = {"hardness-amorphous": 0.3, "resistivity-hardness": 0.05, "resistivity-amorphous": 0.02}
    _, samples = world(overlap=overlap)
    alloys = {task: printed_alloys(own) for task, own in samples.items()}
    for pair, index in overlap.items():
        a, b = (alloys[task] for task in pair.split("-"))
        assert jaccard(a, b) == pytest.approx(index, abs=1 / len(a | b))
    assert not set.intersection(*alloys.values())


def test_overlap_of_all_is_one_common_core():
    _, samples = world(dict.fromkeys(REPORTED, 140), overlap={"all": 0.4})
    a, b, c = (printed_alloys(own) for own in samples.values())
    assert a & b == b & c == a & c == a & b & c
    assert jaccard(a, b) == pytest.approx(80 / 200)


def test_an_alloy_measured_twice_keeps_its_composition_and_gets_a_new_lot():
    _, alone = world()
    _, samples = world(overlap={"hardness-amorphous": 0.3})
    moved = np.flatnonzero((samples["hardness"].printed != alone["hardness"].printed).any(axis=1))
    assert len(moved) == round(0.3 * 310 / 1.3)
    assert samples["hardness"].lot[moved].min() > alone["hardness"].lot.max()
    kept = np.setdiff1d(np.arange(160), moved)
    assert np.array_equal(samples["hardness"].lot[kept], alone["hardness"].lot[kept])


@pytest.mark.parametrize("task", SMALL)
def test_the_rows_of_one_task_move_no_other_task(tmp_path, task):
    before = simulate(tmp_path / "before")
    after = simulate(tmp_path / "after", rows=SMALL | {task: SMALL[task] - 40})
    for other in set(SMALL) - {task}:
        assert before[other].read_bytes() == after[other].read_bytes()
    assert before[task].read_bytes() != after[task].read_bytes()


def test_the_same_settings_give_the_same_bytes_and_another_seed_gives_others(tmp_path):
    first, again, other = (simulate(tmp_path / name, seed=seed) for name, seed in [("a", 6), ("b", 6), ("c", 7)])
    for name in first:
        assert first[name].read_bytes() == again[name].read_bytes()
        assert first[name].read_bytes() != other[name].read_bytes()


def test_truth_says_that_the_world_is_simulated_and_what_it_is(tmp_path):
    outputs = simulate(tmp_path, unmodelled={"hardness": 0.4})
    truth = read_json(outputs["truth"])
    assert truth["simulated"] is True
    assert truth["settings"]["rows"] == SMALL
    assert truth["settings"]["unmodelled"] == dict.fromkeys(PROPERTIES, 0.15) | {"hardness": 0.4, "amorphous": 0.2}
    assert truth["tasks"] == list(PROPERTIES)
    matrix = np.array(truth["signal_correlation_on_common_pool"])
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), np.ones(len(PROPERTIES)))


def test_raw_files_have_the_layout_of_the_study(tmp_path):
    outputs = simulate(tmp_path)
    header = {task: list(pd.read_csv(outputs[task], encoding="utf-8-sig", nrows=0)) for task in SMALL}
    assert header == {
        "resistivity": ["sample", "X", "Y", *SYMBOLS, "resistivity (\u03bc\u03a9\u00b7cm)"],
        "hardness": ["sample", *SYMBOLS, "hardness (GPa)"],
        "amorphous": ["sample", *SYMBOLS, "amorphous (0/1)"],
    }


def test_quirks_change_the_spelling_and_not_the_world(tmp_path):
    plain = simulate(tmp_path / "plain")
    quirks = {"hardness_unit": "HV", "resistivity_unit": "ohm_m", "boolean": "O/X"}
    odd = simulate(tmp_path / "odd", encoding="cp949", **quirks)
    headers = {"resistivity": "비저항 (Ω·m)", "hardness": "경도 (HV)", "amorphous": "비정질 (O/X)"}
    label = {}
    for task, header in headers.items():
        usual, unusual = pd.read_csv(plain[task], encoding="utf-8-sig"), pd.read_csv(odd[task], encoding="cp949")
        assert unusual.columns[-1] == header
        pd.testing.assert_frame_equal(usual.iloc[:, :-1], unusual.iloc[:, :-1])
        label[task] = usual.iloc[:, -1], unusual.iloc[:, -1]
    a, b = label["resistivity"]
    assert (b * 1e8).to_numpy() == pytest.approx(a.to_numpy())
    a, b = label["hardness"]
    assert (b * 0.009807).to_numpy() == pytest.approx(a.to_numpy(), abs=0.0006)
    a, b = label["amorphous"]
    assert b.map({"O": 1, "X": 0}).tolist() == a.tolist()


def test_a_wafer_has_253_points_every_5_mm_up_to_45_mm():
    points = wafer_points()
    assert points.shape == (253, 2)
    assert np.hypot(*points.T).max() == 45
    assert set(np.diff(np.unique(points))) == {5.0}
    assert len(np.unique(points, axis=0)) == 253


def alloy(**amounts):
    c = np.zeros((1, len(SYMBOLS)))
    for symbol, amount in amounts.items():
        c[0, INDEX[symbol]] = amount
    return c / c.sum()


def test_pair_enthalpies_are_the_published_ones_and_complete():
    published = {("Cu", "Zr"): -23, ("Al", "Ni"): -22, ("Fe", "Co"): -1, ("Al", "Ti"): -30, ("Fe", "Cu"): 13}
    for (a, b), kilojoule in published.items():
        assert PAIR_ENTHALPY[INDEX[a], INDEX[b]] == kilojoule
    assert np.array_equal(PAIR_ENTHALPY, PAIR_ENTHALPY.T)
    assert not np.diag(PAIR_ENTHALPY).any()


def test_descriptors_of_the_cantor_alloy():
    d = Descriptors.of(alloy(Co=1, Cr=1, Fe=1, Mn=1, Ni=1))
    assert d.delta[0] == pytest.approx(0.012 / 1.264)  # radii 1.25 1.28 1.27 1.27 1.25
    assert (d.vec[0], d.components[0], d.largest[0]) == pytest.approx((8, 5, 0.2))
    assert d.entropy[0] == pytest.approx(8.314e-3 * np.log(5))
    assert d.enthalpy[0] == pytest.approx(-4.16)  # kJ/mol, as tabulated for CoCrFeMnNi


def test_resistivity_of_copper_is_that_of_the_element_with_grain_boundaries():
    assert resistivity(alloy(Cu=1))[0] == pytest.approx(1.15 / (1 / (1.7 + 8) + 1 / 400), rel=1e-5)


def test_ordering_is_deepest_at_the_compound():
    assert order(alloy(Al=1, Ti=1))[0] == pytest.approx(30 / 40)
    assert order(alloy(Al=54, Ti=46))[0] == pytest.approx(30 / 40 * np.exp(-1))  # one SD off in either element
    assert order(alloy(Fe=1, Co=1))[0] == 0


@pytest.mark.parametrize(
    ("changes", "where", "mend"),
    [
        ({"rows": {"resistivty": 100}}, "simulation.rows.resistivty", "did you mean 'resistivity'"),
        ({"unmodelled": {"density": 0.1}}, "simulation.unmodelled.density", "known: resistivity, hardness"),
        ({"overlap": {"hardness": 0.1}}, "simulation.overlap.hardness", "name two tasks"),
        ({"overlap": {"hardness-hardness": 0.1}}, "simulation.overlap.hardness-hardness", "name two tasks"),
        ({"overlap": {"hardness-seebeck": 0.1}}, "simulation.overlap.hardness-seebeck", "known: resistivity"),
        (
            {"overlap": {"hardness-amorphous": 0.1, "amorphous-hardness": 0.1}},
            "simulation.overlap.amorphous",
            "keep one",
        ),
        ({"overlap": {"all": 0.1}}, "simulation.overlap.all", "set equal simulation.rows"),
        ({"overlap": {"all": 0.1, "hardness-amorphous": 0.1}}, "simulation.overlap.all", "keep one of both"),
        (
            {"rows": FULL, "overlap": {"resistivity-hardness": 0.5}},
            "simulation.overlap.resistivity-h",
            "0.0152 at most",
        ),
        ({"overlap": {"hardness-amorphous": 0.9, "resistivity-amorphous": 0.1}}, "simulation.overlap.resis", "at most"),
        ({"rows": {"resistivity": 481}, "seed": 9}, "simulation.rows.resistivity: 481 rows", "fewer rows"),
        ({"rows": {"seebeck": 300, "hardness": 181}, "seed": 60, "pool": "film"}, "simulation.rows: 481", "fewer rows"),
    ],
)
def test_a_mistake_is_named_by_its_key_with_a_mend(changes, where, mend):
    with pytest.raises(UserError, match="^" + re.escape(where)) as caught:
        world(**changes)
    assert mend in caught.value.mend.lower()


def test_the_largest_overlap_that_an_error_names_does_fit():
    with pytest.raises(UserError) as caught:
        world(overlap={"resistivity-hardness": 1.0})
    largest = float(re.search(r"[0-9.]+", caught.value.mend).group())
    _, samples = world(overlap={"resistivity-hardness": largest})
    common = printed_alloys(samples["hardness"]) & printed_alloys(samples["resistivity"])
    assert len(common) == SMALL["hardness"]
