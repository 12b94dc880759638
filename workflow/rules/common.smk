# The study and its controls, read and checked before any job starts, and what every rule needs of them.
import json
import os
import shlex
import time
from dataclasses import asdict
from functools import cache

from alloymtl.config import combine
from alloymtl.data.elements import check_elements
from alloymtl.errors import UserError, suggestion
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.paper.catalogue import category, labels
from alloymtl.progress.failures import last_words
from alloymtl.sources import sources
from alloymtl.study import Study

STARTED = time.time()
PROFILE = ("tasks", "histograms", "overlap", "elements")  # tables of the step of that name


def read_study():
    """The study of this invocation; a mistake in the config ends here, in one line."""
    files = [Path(f) for f in workflow.configfiles]
    origin = ", ".join(str(f.relative_to(Path.cwd()) if f.is_relative_to(Path.cwd()) else f) for f in files)
    try:
        study = Study.from_config(combine(files, config), origin)
        for name, one in {"": study, **study.controls}.items():
            place = f"{origin}: controls.{name}" if name else origin
            check_elements(one.data["elements"], place)
            check_metrics(one.evaluation, place)
        study.check_sources()
        check_reported(study, origin)
    except UserError as mistake:
        sys.exit(f"error: {mistake}")
    return study


def check_reported(study, origin):
    """Make sure that the numbers that are to stand beside the study's own are there."""
    name, folder = study.paper["reported"], Path(workflow.basedir) / "paper" / "reported"
    known = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if name is not None and name not in known:
        where = os.path.relpath(folder)
        raise UserError(f"{origin}: paper.reported", f"there is no folder {where}/{name}.", suggestion(name, known))


def code(*modules):
    """Source files that decide the output of a step: its modules and all they import."""
    return sources([f"alloymtl.{m.removeprefix('alloymtl.')}" for m in modules], Path.cwd())


def as_json(value):
    """One plain parameter, in a fixed order, so that Snakemake sees a change only where there is one."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def named(paths):
    """NAME=PATH of each of a rule's named files."""
    return [f"{name}={path}" for name, path in paths.items()]


def of(study, name):
    """Name of a rule: that of the step, and for a control's rule that of the control behind it."""
    return name if study is STUDY else f"{name}_in_{study.name}"


def logs(study):
    """Folder of a study's logs; those of a control lie below those of the study."""
    return f"{ROOT}/logs" if study is STUDY else f"{ROOT}/logs/controls/{study.name}"


def tasks(study):
    """Name and kind of each task."""
    return [{"name": t.name, "kind": t.kind} for t in study.tasks]


def experiments(study):
    """The experiments as plain values."""
    return [asdict(e) for e in study.experiments.values()]


def runs_of(study, method):
    """Folder of each run of a method, by wildcards."""
    return f"{study.root}/runs/{method.name}/level-{{level}}/split-{{split_seed}}/seed-{{seed}}"


def at(study, run, file):
    """Path of a file of one run."""
    return f"{study.root}/runs/{run.folder}/{file}"


def records(study):
    """The records of the runs of a study that no shipped record stands for, once Snakemake knows what is asked for."""
    return lambda wildcards: [at(study, run, "record.json") for run in runs_here(study)]


def files_of_runs(study):
    """Every file of those runs."""
    files = ("record.json", "predictions.parquet", "history.parquet")
    extras = {method.name: [f"{extra}.parquet" for extra in method.extras()] for method in study.trained}
    return lambda wildcards: [at(study, run, f) for run in runs_here(study) for f in (*files, *extras[run.method])]


def tables_of(study, *names):
    """Paths of a study's tidy tables by name."""
    return {name: f"{study.root}/{name}.parquet" for name in names}


def run_spec(study, method):
    """All that decides the numbers of one run of a method, and nothing of its neighbours."""

    def spec(wildcards):
        level = wildcards.level if wildcards.level == "all" else int(wildcards.level)
        return as_json(study.run(method, level, int(wildcards.split_seed), int(wildcards.seed)).to_dict())

    return spec


def split_spec(study):
    """All that decides the partition of one split seed."""

    def spec(wildcards):
        return as_json({"split": study.split, "tasks": tasks(study), "seed": int(wildcards.split_seed)})

    return spec


def collect_spec(study):
    """The matrix, which methods add which files to their runs, and the study's name in shipped records."""
    extras = {method.name: method.extras() for method in study.trained}
    runs = f"{study.root}/runs"
    matrix = {"experiments": experiments(study), "tasks": tasks(study), "extras": extras}
    return as_json({"runs": runs, "control": control(study), **matrix})


def analysis_spec(study):
    """What most steps after ``collect`` need of a study; others read the whole of it from ``described``."""
    return as_json({"experiments": experiments(study), "tasks": tasks(study), "evaluation": study.evaluation})


def described(study):
    """Path of the file that tells steps of the study as a whole."""
    return f"{study.root}/study.json"


def profile_of(study):
    """Paths of what is known of a study's alloys before training, by name."""
    folder = f"{study.data_root}/data/profile"
    return {f"profile_{name}": f"{folder}/{name}.csv" for name in PROFILE}


def in_report(files, ending, caption):
    """Tables or figures by name, those of one ending marked for the HTML report."""
    marked = dict(files)
    for name in (name for name in files if name.endswith(f"_{ending}")):
        stem = name.removesuffix(f"_{ending}")
        about = {"category": category(stem), "subcategory": f"{caption.capitalize()}s", "labels": labels(stem)}
        marked[name] = report(files[name], caption=f"../report/{caption}.rst", **about)
    return marked


STUDY = read_study()
ROOT = STUDY.root
STUDIES = [STUDY, *STUDY.controls.values()]

# A step runs in the interpreter that runs Snakemake, unless conda brings one. One thread a job keeps results apart from
# the number of cores.
PYTHON = "" if workflow.deployment_settings.deployment_method else f"{shlex.quote(os.path.dirname(sys.executable))}:"
shell.prefix(
    f"export PATH={PYTHON}$PATH"
    f" PYTHONPATH={shlex.quote(str(Path(workflow.basedir) / 'workflow'))}"
    " OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1; "
)


onerror:
    for line in last_words(f"{ROOT}/logs", since=STARTED):
        print(line, file=sys.stderr)
