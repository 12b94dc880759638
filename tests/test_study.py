"""The config: a mistake ends in one line that names the key and the mend; a run holds its own specification only."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from alloymtl import components
from alloymtl import config as config_module
from alloymtl.data.rows.units import convert
from alloymtl.data.simulate.compositions import compositions
from alloymtl.data.simulate.measure import measure
from alloymtl.data.simulate.settings import PROPERTIES, Settings
from alloymtl.data.simulate.tables import header, raw_table
from alloymtl.errors import UserError
from alloymtl.run import Run
from alloymtl.study import Study

REPOSITORY = Path(__file__).parents[1]
# No studies: what the others include.
INCLUDED = {"paper.yaml", "balancers.yaml", "overlap.yaml", "overlap_measured.yaml", "advice.yaml"}
CONFIGS = sorted(p.name for p in (REPOSITORY / "config").glob("*.yaml") if p.name not in INCLUDED)
LABELS = {"resistivity": "resistivity (μΩ·cm)", "hardness": "hardness (GPa)", "amorphous": "amorphous (0/1)"}


def load(name="config.yaml"):
    """A shipped config; tasks whose files are simulated name them, as a user would name measured ones."""
    config = config_module.read(REPOSITORY / "config" / name)
    for task, values in config["tasks"].items():
        path = f"results/{config['study']}/raw/{task}.csv"
        values.setdefault("sources", [{"path": path, "label": LABELS[task], "composition": {"basis": "at.%"}}])
    return config


def put(config, path, value):
    *parents, last = path
    for key in parents:
        config = config[key]
    config[last] = value


def drop(config, path):
    *parents, last = path
    for key in parents:
        config = config[key]
    del config[last]


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configs_are_studies(name):
    study = Study.from_config(config_module.read(REPOSITORY / "config" / name), name)
    for one in (study, *study.controls.values()):
        assert one.runs()
        assert len({run.folder for run in one.runs()}) == len(one.runs())


FIRST = ("tasks", "hardness", "sources", 0)
MISTAKES = {
    "number as a key": (put, ("tasks", "hardness", 3), 1, r"cfg: tasks.hardness: the key 3 is not text"),
    "boolean as a class": (
        put,
        (*("tasks", "amorphous", "sources", 0), "classes"),
        {True: 1, False: 0},
        r"tasks.amorphous.sources\[0\].classes: the key True is not text",
    ),
    "number that YAML reads as text": (
        put,
        ("training",),
        {"learning_rate": "1e-3"},
        r"training.learning_rate: '1e-3' is not of type number. Mend: write 0.001",
    ),
    "negative option": (
        put,
        ("methods", "structured", "architecture_options"),
        {"head": -3},
        r"architecture_options.head: -3 is not of the kind",
    ),
    "bounds the wrong way round": (
        put,
        ("tasks", "hardness", "maximum"),
        -1,
        r"cfg: tasks.hardness: minimum 0 is above maximum -1",
    ),
    "misspelt key": (
        put, ("tasks", "hardness", "unti"), "GPa",
        r"tasks.hardness: unknown key 'unti'.* did you mean 'unit'",
    ),
    "misspelt section": (
        put, ("mehtods",), {},
        r"cfg: unknown key 'mehtods'.* did you mean 'methods'",
    ),
    "misspelt training key": (
        put, ("training",), {"batchsize": 1},
        r"training: unknown key 'batchsize'.* did you mean",
    ),
    "misspelt training key of a method": (
        put, ("methods", "hard", "training"), {"lr": 1},
        r"methods.hard.training: unknown key 'lr'",
    ),
    "task without a label column": (
        drop, (*FIRST, "label"), None,
        r"tasks.hardness.sources\[0\]: the key 'label' is missing",
    ),
    "unknown architecture": (
        put, ("methods", "hard", "architecture"), "herd",
        r"methods.hard.architecture: .*'herd'.*did you mean 'hard'",
    ),
    "unknown balancer": (
        put, ("methods", "hard", "balancer"), "pcgard",
        r"methods.hard.balancer: there is no balancer",
    ),
    "unknown option": (
        put, ("methods", "structured", "architecture_options"), {"alfa": 1},
        r"methods.structured.architecture_options.alfa: .*did you mean 'alpha'",
    ),
    "option of a wrong type": (
        put, ("methods", "structured", "architecture_options"), {"alpha": "big"},
        r"architecture_options.alpha: 'big'",
    ),
    "unknown method in an experiment": (
        put, ("experiments", "main", "methods"), ["independent", "hardd"],
        r"main.methods: no method 'hardd'.*did you mean",
    ),
    "comparison outside its experiment": (
        put, ("experiments", "main", "comparisons"), [["hard", "soft"]],
        r"comparisons\[0\]: 'soft' is not in this",
    ),
    "comparison tested twice": (
        put, ("experiments", "main", "comparisons"), [["independent", "hard"], ["hard", "independent"]],
        r"comparisons\[1\]: this pair is tested already",
    ),
    "option outside its choices": (
        put, ("methods", "pcgrad_mean", "balancer_options"), {"reduction": "men"},
        r"methods.pcgrad_mean.balancer_options.reduction: 'men' is none of its choices.* did you mean 'mean'",
    ),
    "choice that YAML reads as a truth value": (
        put, ("methods", "pcgrad_off", "balancer_options"), {"projection": False},
        r"balancer_options.projection: False is not .* quotation marks",
    ),
    "balancer of gradients without shared parameters": (
        put, ("methods", "soft_1", "balancer"), "pcgrad",
        r"methods.soft_1.balancer: balancer 'pcgrad' acts on .* 'soft' shares nothing",
    ),
    "smoothing without shared parameters": (
        put, ("methods", "independent", "smoothing"), "fds",
        r"methods.independent.smoothing: smoothing 'fds' acts on .* 'independent' shares nothing",
    ),
    "gradients of a method that shares nothing": (
        put, ("experiments", "conflict", "methods"), ["hard", "independent"],
        r"methods.independent: .* keeps its gradients, .* 'independent' shares no parameters",
    ),
    "two names for one method": (
        put, ("methods", "plain"), {"title": "Plain", "architecture": "hard", "balancer_options": {}},
        r"methods.plain: it is the same as 'weights_equal' in all but its name",
    ),
    "task without files": (
        put, ("tasks", "density"), {"kind": "regression", "unit": "g/cm^3"},
        r"tasks.density: the key 'sources' is missing",
    ),
    "unknown thing to keep": (
        put, ("experiments", "soft", "keep"), ["predictons"],
        r"experiments.soft.keep\[0\]: 'predictons' is not one of",
    ),
    "level above the simulated rows": (
        put, ("experiments", "main", "levels"), ["all", 10**6],
        r"cfg: experiments.main.levels: the largest simulated task has \d+ rows, and not 1000000",
    ),
    "unknown twin": (
        put, ("evaluation",), {"twins": [["hard", "pcgrad_of"]]},
        r"cfg: evaluation.twins\[0\]: no method 'pcgrad_of'.* did you mean 'pcgrad_off'",
    ),
    "include on the command line": (
        put, ("include",), ["paper.yaml"],
        r"cfg: include: only a config file can include others",
    ),
    "misspelt section of a control": (
        put, ("controls", "grouped", "splits"), {},
        r"cfg: controls.grouped: unknown key 'splits'.* did you mean 'split",
    ),
    "misspelt key inside a control": (
        put, ("controls", "grouped", "split"), {"kid": "grouped"},
        r"cfg: controls.grouped: split: unknown key 'kid'.* did you mean 'kind'",
    ),
    "unknown method inside a control": (
        put, ("controls", "grouped", "experiments", "main", "methods"), ["independent", "hardd"],
        r"cfg: controls.grouped: experiments.main.methods: no method 'hardd'",
    ),
    "control within a control": (
        put, ("controls", "grouped", "controls"), {},
        r"cfg: controls.grouped: unknown key 'controls'",
    ),
    "simulation of a control that no task reads": (
        put, ("controls", "grouped", "simulation"), {"rows": {"hardness": 100}},
        r"cfg: controls.grouped: simulation: no task reads",
    ),
    "one seed": (
        put, ("experiments", "main", "seeds"), [42],
        r"cfg: experiments.main.seeds: one seed and one split seed",
    ),
    "wrong type": (
        put, ("training",), {"batch_size": "many"},
        r"training.batch_size: 'many' is not of type integer",
    ),
    "regression without a unit": (
        drop, ("tasks", "hardness", "unit"), None,
        r"tasks.hardness.unit: a regression task",
    ),
    "simulated task that is no task": (
        put, ("simulation", "rows", "hardnes"), 100,
        r"simulation.rows: no task 'hardnes'.* did you mean 'hardness'",
    ),
    "formula and columns": (
        put, (*FIRST, "composition"), {"basis": "at.%", "formula": "F", "columns": {"Al": "Al"}},
        r"both formula and columns",
    ),
    "study name with a slash": (
        put, ("study",), "a/b",
        r"cfg: study: .*does not match",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_config_ends_in_one_line_that_names_the_key_and_the_mend(mistake):
    change, path, value, message = MISTAKES[mistake]
    config = load()
    change(config, path, value) if change is put else change(config, path)
    with pytest.raises(UserError, match=message) as caught:
        Study.from_config(config, "cfg")
    assert "\n" not in str(caught.value)
    assert caught.value.mend


def test_a_number_among_the_classes_is_the_cell_with_that_number():
    config = load()
    config["tasks"]["amorphous"]["sources"][0]["classes"] = {0: 0, "glass": 1}
    source = Study.from_config(config, "cfg").tasks[2].sources[0]
    assert source.classes == {"0": 0, "glass": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"c.yaml: this config does not exist"),
        ("", r"c.yaml: this config holds no keys"),
        ("study: a\n  tasks: [\n", r"c.yaml, line 2: this is not YAML"),
        ("study: a\ntasks: {}\nstudy: b\n", r"c.yaml, line 3: this is not YAML: 'study' stands twice"),
    ],
)
def test_a_config_that_cannot_be_read_is_said_with_its_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        config_module.read(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def test_an_included_file_lies_under_the_one_that_includes_it(tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", base={"training": {"dropout": 0.1, "hidden": [8, 8]}, "methods": {"a": {}, "b": {}}})
    write(tmp_path, middle={"include": ["deep/base.yaml"], "methods": {"b": None, "c": {"title": "C"}}})
    write(tmp_path, other={"seeds": [7, 8], "training": {"dropout": 0.2}})
    own = {"include": ["middle.yaml", "other.yaml"], "training": {"hidden": [4]}, "methods": {"c": {"loss": "lds"}}}
    write(tmp_path, own={**own, "simulation": None})
    assert config_module.read(tmp_path / "own.yaml") == {
        "training": {"dropout": 0.2, "hidden": [4]},  # mappings are merged, lists replaced
        "methods": {"a": {}, "b": None, "c": {"title": "C", "loss": "lds"}},
        "seeds": [7, 8],  # the last of the included ones
        "simulation": None,
    }


def test_null_removes_an_included_method_experiment_or_control(tmp_path):
    base = load()
    gone = {"methods": "hard_fixed_steps", "experiments": "imbalance_steps", "controls": "planted"}
    removed = {part: {name: None} for part, name in gone.items()}
    write(tmp_path, base=base, own={"include": ["base.yaml"], **removed})
    study = Study.from_config(config_module.read(tmp_path / "own.yaml"), "cfg")
    before = Study.from_config(base, "cfg")
    for part, name in gone.items():
        assert set(getattr(before, part)) - set(getattr(study, part)) == {name}


def test_the_command_line_has_the_last_word_over_files_and_what_they_include(tmp_path):
    write(tmp_path, base={"training": {"dropout": 0.1, "batch_size": 8}}, own={"include": ["base.yaml"], "study": "s"})
    known = {"study": "s", "include": ["base.yaml"], "training": {"dropout": 0.5}}  # what Snakemake has put together
    assert config_module.combine([tmp_path / "own.yaml"], known) == {
        "study": "s",
        "training": {"dropout": 0.5, "batch_size": 8},
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"own": {"include": ["bse.yaml"]}},
            r"bse.yaml: this config does not exist. Mend: correct the path in .*own.yaml",
        ),
        ({"own": {"include": "base.yaml"}}, r"own.yaml: include: this is not a list of files"),
        ({"own": {"include": ["own.yaml"]}}, r"own.yaml: this config includes itself \(.*own.yaml -> .*own.yaml\)"),
        (
            {"own": {"include": ["base.yaml"]}, "base": {"include": ["own.yaml"]}},
            r"base.yaml: this config includes itself \(.*own.yaml -> .*base.yaml -> .*own.yaml\)",
        ),
        (
            {"own": {"include": ["base.yaml"], "methods": {"hrad": None}}, "base": {"methods": {"hard": {}}}},
            r"own.yaml: methods.hrad: it is empty, .* did you mean 'hard'",
        ),
        ({"own": {"include": ["base.yaml"]}, "base": {}}, r"base.yaml: this config holds no keys"),
    ],
)
def test_a_mistake_in_what_is_included_names_the_file(tmp_path, files, message):
    write(tmp_path, **files)
    if files.get("base") == {}:
        (tmp_path / "base.yaml").write_text("")
    with pytest.raises(UserError, match=message) as caught:
        config_module.read(tmp_path / "own.yaml")
    assert "\n" not in str(caught.value)
    assert caught.value.mend


SPELLINGS = [{}, {"hardness_unit": "HV", "resistivity_unit": "ohm_m", "boolean": "O/X"}, {"encoding": "cp949"}]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_task_without_sources_reads_what_the_simulator_writes_for_it(spelling):
    config = config_module.read(REPOSITORY / "config" / "quick.yaml")
    config["simulation"] = {"rows": {"resistivity": 2000, "hardness": 40, "amorphous": 40}, **spelling}
    study = Study.from_config(config, "cfg")
    settings = Settings.from_spec(study.simulation)
    samples = compositions(settings)
    assert study.simulated
    for task in study.tasks:
        (source,) = task.sources
        measured = measure(task.name, samples[task.name], settings)
        column = raw_table(task.name, samples[task.name], measured, settings)[source.label]
        if task.is_regression:
            labels = convert(column.to_numpy(), source.unit, PROPERTIES[task.name].unit.replace("μΩ·cm", "uohm_cm"), "")
            # A header in one unit over values in another would be off by a factor of ten or more.
            assert labels == pytest.approx(measured, rel=0.02)
        else:
            assert [source.classes[str(cell)] for cell in column] == measured.tolist()
        assert source.encoding == settings.encoding


def test_a_header_is_that_of_the_raw_table():
    settings = Settings.from_spec(Study.from_config(load(), "cfg").simulation)
    assert {task: header(task, settings) for task in LABELS} == LABELS


def test_a_missing_raw_file_is_named_with_its_key_and_its_origin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load()
    source = config["tasks"]["hardness"]["sources"][0]
    source.update(path="measured/hardness.csv", url="https://example.org/hardness")
    study = Study.from_config(config, "cfg")
    with pytest.raises(UserError) as caught:
        study.check_sources()
    for part in ("measured/hardness.csv", "https://example.org/hardness", "tasks.hardness.sources[0].path"):
        assert part in str(caught.value)


def test_a_study_is_simulated_only_if_it_reads_what_the_simulator_writes(tmp_path):
    config = load()
    assert Study.from_config(config, "cfg").simulated
    for name, task in config["tasks"].items():
        task["sources"][0]["path"] = f"measured/{name}.csv"
    assert not Study.from_config(config, "cfg").simulated


def test_experiments_take_the_studys_seeds_unless_they_name_their_own():
    config = load("quick.yaml")
    config["experiments"]["soft"] = {**config["experiments"]["soft"], "seeds": [1, 2], "split_seeds": [5]}
    config["split_seeds"] = [42, 43]
    study = Study.from_config(config, "cfg")
    assert study.experiments["soft"].replicates() == [(5, 1), (5, 2)]
    assert study.experiments["main"].replicates() == [(s, k) for s in (42, 43) for k in (42, 123, 456)]
    assert study.split_seeds == (5, 42, 43)


def test_gradients_are_measured_in_all_runs_of_the_methods_of_an_experiment_that_keeps_them():
    study = Study.from_config(load(), "cfg")
    measured = {run.method for run in study.runs() if run.diagnostics}
    assert measured == set(study.experiments["conflict"].methods)
    assert all(bool(run.diagnostics) == (run.method in measured) for run in study.runs())
    assert study.run("hard", 1000, 42, 42).diagnostics == {
        "gradients": {"step_interval": 1, "epoch_interval": 5, "rows": 256}
    }
    assert "gradients" in study.methods["hard"].extras()
    assert study.methods["structured"].extras() == ("relations",)


def test_a_control_lies_over_its_study_and_shares_what_it_does_not_change():
    config = load()
    config["data"] = {"repeats": "median"}
    config["training"] = {"dropout": 0.2}
    config["controls"]["again"] = {"data": {"decimals": 3}, "methods": {"pcgrad": {"title": "P"}, "soft_1": None}}
    config["controls"]["again"]["experiments"] = {"main": {"methods": ["pcgrad", "hard"], "comparisons": []}}
    study = Study.from_config(config, "cfg")
    grouped, planted, again = (study.controls[name] for name in ("grouped", "planted", "again"))

    assert grouped.root == "results/default/controls/grouped"
    assert (grouped.data_root, grouped.ingests, grouped.simulates) == (study.root, False, False)
    assert (grouped.tasks, grouped.data) == (study.tasks, study.data)
    assert (grouped.split["kind"], study.split["kind"]) == ("grouped", "stratified")
    assert set(grouped.experiments) == {"main"}  # in the place of the study's
    assert grouped.simulated
    assert grouped.runs()[0].training["dropout"] == 0.2

    # Other data of the same raw files: ingested anew, simulated once.
    assert (again.ingests, again.simulates, again.simulated) == (True, False, True)
    assert again.data["repeats"] == "median"
    assert [s.path for t in again.tasks for s in t.sources] == [s.path for t in study.tasks for s in t.sources]
    assert "soft_1" not in again.methods
    assert again.methods["pcgrad"].parts == study.methods["pcgrad"].parts

    assert (planted.ingests, planted.simulates, planted.simulated) == (True, True, True)
    assert [t.name for t in planted.tasks] == list(planted.simulation["rows"])
    assert {s.path for t in planted.tasks for s in t.sources} == {
        f"results/default/controls/planted/raw/{task}.csv" for task in planted.simulation["rows"]
    }


def test_the_paper_sees_controls_and_only_methods_that_run():
    study = Study.from_config(load(), "cfg")
    seen = study.to_paper_dict()
    assert json.loads(json.dumps(seen, allow_nan=False))["study"] == "default"
    assert {"grouped", "planted"} < set(seen["controls"])
    assert set(seen["controls"]["planted"]) == set(seen)
    assert set(seen["controls"]["grouped"]["methods"]) == {"independent", "hard", "structured"}
    assert seen["reported"] == "2512.22740"
    assert set(seen["diagnostics"]) == {"gradients"}
    # Each is passed on as one argument of a command, which may hold 128 kB.
    for control in ({**seen, "controls": []}, *seen["controls"].values()):
        assert len(json.dumps(control, ensure_ascii=False).encode()) < 65536


def test_every_part_of_a_shipped_study_is_described_in_the_readme():
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    for kind in components.FOLDERS:
        for name in components.names(kind):
            assert f"`{name}`" in text, f"config/README.md does not mention {kind} {name}"


def specifications(config):
    return {run.folder: json.dumps(run.to_dict(), sort_keys=True) for run in Study.from_config(config, "cfg").runs()}


def test_new_methods_seeds_levels_and_titles_leave_the_specifications_of_other_runs_alone():
    config = load()
    before = specifications(config)
    config = copy.deepcopy(config)
    config["methods"]["plain"] = {"architecture": "hard", "sampler": "stratified", "loss": "lds"}
    config["methods"]["hard"]["title"] = "Another title"
    config["tasks"]["hardness"]["title"] = "Another title"
    config["evaluation"] = {"alpha": 0.01}
    main = config["experiments"]["main"]
    main["methods"].append("plain")
    main["seeds"] = [*config["seeds"], 7]
    main["levels"] = ["all", 1000]
    main["split_seeds"] = [42, 43]
    after = specifications(config)
    assert before.items() <= after.items()
    mains = {folder.split("/")[0] for folder in after.keys() - before.keys()}
    assert mains == {"independent", "hard", "structured", "plain"}


def test_a_run_comes_back_from_its_record():
    for run in Study.from_config(load(), "cfg").runs():
        assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def keys(rule, path=()):
    """Every key of the schema, with the names of its parents."""
    for name, part in rule.get("properties", {}).items():
        yield (*path, name)
        yield from keys(part, (*path, name))
    for inner in ("additionalProperties", "items"):
        if isinstance(rule.get(inner), dict):
            yield from keys(rule[inner], path)


def test_every_key_of_the_schema_is_described_and_documented():
    schema = config_module.schema()
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    for path in keys(schema):
        assert f"`{path[-1]}`" in text, f"config/README.md does not mention {'.'.join(path)}"
