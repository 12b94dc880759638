"""The config: a mistake ends in one line that names the key and the mend; a run holds its own specification only."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from alloymtl import config as config_module
from alloymtl.errors import UserError
from alloymtl.run import Run
from alloymtl.study import Study

REPOSITORY = Path(__file__).parents[1]
CONFIGS = sorted(p.name for p in (REPOSITORY / "config").glob("*.yaml"))


def load(name="config.yaml"):
    return yaml.safe_load((REPOSITORY / "config" / name).read_text(encoding="utf-8"))


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
    study = Study.from_config(load(name), name)
    assert study.runs()
    assert len({run.folder for run in study.runs()}) == len(study.runs())


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
    "one seed": (
        put, ("experiments", "main", "seeds"), [42],
        r"experiments.main.seeds: .*too short",
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


def specifications(config):
    return {run.folder: json.dumps(run.to_dict(), sort_keys=True) for run in Study.from_config(config, "cfg").runs()}


def test_new_methods_seeds_levels_and_titles_leave_the_specifications_of_other_runs_alone():
    config = load()
    before = specifications(config)
    config = copy.deepcopy(config)
    config["methods"]["plain"] = {"architecture": "hard"}
    config["methods"]["hard"]["title"] = "Another title"
    config["tasks"]["hardness"]["title"] = "Another title"
    config["evaluation"] = {"alpha": 0.01}
    main = config["experiments"]["main"]
    main["methods"].append("plain")
    main["seeds"].append(7)
    main["levels"] = ["all", 1000]
    main["split_seeds"] = [42, 43]
    after = specifications(config)
    assert before.items() <= after.items()
    assert len(after) == 4 * 6 * 2 * 2


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
