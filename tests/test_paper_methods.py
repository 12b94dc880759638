"""How the paper describes methods: every part that one can choose has its words, and every source is in the list."""

from __future__ import annotations

import json
import re

import pytest

from alloymtl import components
from alloymtl.literals import constants
from alloymtl.paper import templates
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.wording.prose import Prose
from alloymtl.run import FOLDERS, PACKAGE
from paper_fixture import TEMPLATES, TWO_TASKS, experiment, run_numbers, specification
from paper_text_fixture import shipped

PLAIN = {"loss": ["mse"], "smoothing": ["none"], "sampler": ["uniform"], "optimiser": ["adam"]}
TOGETHER = {"loss": ["bmc", "gai", "bni"]}  # in one text
PARTS = [
    (kind, name)
    for kind in FOLDERS
    for name in components.names(kind)
    if name not in PLAIN.get(kind, []) + TOGETHER.get(kind, [])
]
STEPWISE = [(kind, name) for kind, name in PARTS if kind in ("balancer", "optimiser")]


def description(kind, name):
    """The file that describes a part."""
    return TEMPLATES / f"{kind}_{name}.tex.j2"


def balancing(config):
    """A change of the quick study that leaves the main comparison and that of balancers."""
    config["experiments"] |= dict.fromkeys(set(config["experiments"]) - {"main", "balancing"})
    config["controls"] |= dict.fromkeys(config["controls"])
    config["experiments"]["balancing"] |= {"levels": ["all"]}


@pytest.fixture(scope="module")
def tex(tmp_path_factory):
    """The source of a paper on the shipped comparison of every balancer and optimiser, in one line."""
    root = tmp_path_factory.mktemp("every")
    study = shipped(root / "in", "quick", balancing)
    content = json.loads(run_numbers(study, root)["numbers_json"].read_text())
    found = {f.name: f for f in TEMPLATES.glob("*.tex.j2")}
    return " ".join(templates.render(PaperStudy.from_spec(study.spec), content, found).split())


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_part_has_its_description(kind, name):
    assert description(kind, name).is_file()


def test_every_balancer_and_optimiser_is_described_in_its_place(tex):
    for kind, name in STEPWISE:
        first = re.sub(r"^%%.*\n", "", description(kind, name).read_text(), flags=re.MULTILINE).split("(")[0]
        assert " ".join(first.split()) in tex, name
    assert "of the pipeline" not in tex
    assert "Other balancers" not in tex


def test_other_batches_make_no_other_balancer_and_other_options_do(tex):
    words = tex[tex.index(r"\emph{Gradient-norm scaling}") :]
    words = words[: words.index(r"\par")]
    assert "(Gradient norms and ``Gradient norms, smoothed'')" in words
    assert r"``Gradient norms, smoothed'': smoothing \val{method.gradient_norm_smoothed.balancer.smoothing}." in words
    assert r"\emph{Equal weights} (Equal weights):" in tex
    assert "a method that differs from another in its batches alone is not named" in tex


def test_methods_of_one_direction_are_called_one_family(tex):
    sentence = tex[: tex.index("They are one family")]
    sentence = sentence[sentence.rindex(r"\par") :]
    for title in ("Gradient norms", "``Gradient norms, all shared''", "SLAW", "Normalised sum"):
        assert title in sentence
    assert "stratified" not in sentence


def told(kind, name, **options):
    """The description of a part as it reads in a study whose one method has these options of it."""
    full = components.resolve(kind, name, options, "")
    mine = {"title": "Mine", kind: name, "options": {kind: full}}
    study = PaperStudy.from_spec(specification(TWO_TASKS, {"mine": mine}, [experiment("main", ["mine"])]))
    method = study.methods["mine"]
    names = {"study": study, "prose": Prose(study, {"numbers": {}, "facts": {}}), "users": [method], "method": method}
    found = {f.name: f for f in TEMPLATES.glob("*.tex.j2")}
    return templates.environment(found).get_template(description(kind, name).name).render(names)


def choices_of(kind, name):
    """Options of a part with listed values; those of PCGrad are told by the methods that depart from it."""
    return {} if name == "pcgrad" else constants(PACKAGE / FOLDERS[kind] / f"{name}.py").get("CHOICES", {})


@pytest.mark.parametrize(("kind", "name"), STEPWISE)
def test_a_description_tells_every_option(kind, name):
    """Every number by its value, every choice in words; the power of weights by size is told for all at one place."""
    defaults = components.resolve(kind, name, {}, "")
    numbers = {o: v or 0.5 for o, v in defaults.items() if isinstance(v, (int, float)) and o != "power"}
    texts = {(): told(kind, name, **numbers)}
    for option, values in choices_of(kind, name).items():
        texts |= {(option, value): told(kind, name, **numbers, **{option: value}) for value in values}
        assert len({text for key, text in texts.items() if key[:1] == (option,)}) == len(values)
    for option in numbers:
        assert any(rf"\val{{method.mine.{kind}.{option}}}" in text for text in texts.values()), option


def test_the_bibliography_is_what_the_text_cites():
    entries = re.findall(r"^@\w+\{([^,]+),", (TEMPLATES / "references.bib").read_text(), flags=re.MULTILINE)
    assert len(entries) == len(set(entries))
    text = "".join(file.read_text() for file in TEMPLATES.glob("*.tex.j2")) + " ".join(templates.CITED.values())
    cited = {key for keys in re.findall(r"\\cite[a-z]*\{([a-z\d,]+)\}", text) for key in keys.split(",")}
    assert cited | set(templates.CITED.values()) == set(entries)
