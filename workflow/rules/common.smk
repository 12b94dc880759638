# The study, read and checked before any job starts, and what every rule needs of it.
import json
import os
import shlex
import time
from dataclasses import asdict

from alloymtl.data.elements import check_elements
from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.progress.failures import last_words
from alloymtl.sources import sources
from alloymtl.study import Study

STARTED = time.time()


def read_study():
    """The study of this invocation; a mistake in the config ends here, in one line."""
    files = [Path(f) for f in workflow.configfiles]
    origin = ", ".join(str(f.relative_to(Path.cwd()) if f.is_relative_to(Path.cwd()) else f) for f in files)
    try:
        study = Study.from_config(config, origin)
        check_elements(study.data["elements"], origin)
        check_metrics(study.evaluation, origin)
        study.check_sources()
    except UserError as mistake:
        sys.exit(f"error: {mistake}")
    return study


def code(*modules):
    """Source files that decide the output of a step: its modules and all they import."""
    return sources([f"alloymtl.{m.removeprefix('alloymtl.')}" for m in modules], Path.cwd())


def as_json(value):
    """One plain parameter, in a fixed order, so that Snakemake sees a change only where there is one."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def named(paths):
    """NAME=PATH of each of a rule's named files."""
    return [f"{name}={path}" for name, path in paths.items()]


def at(file, run):
    """Path of a file of one run."""
    return f"{ROOT}/runs/{run.folder}/{file}"


def run_spec(method):
    """All that decides the numbers of one run of a method, and nothing of its neighbours."""

    def of(wildcards):
        level = wildcards.level if wildcards.level == "all" else int(wildcards.level)
        return as_json(STUDY.run(method, level, int(wildcards.split_seed), int(wildcards.seed)).to_dict())

    return of


STUDY = read_study()
ROOT = STUDY.root
TASKS = [{"name": t.name, "kind": t.kind} for t in STUDY.tasks]
EXPERIMENTS = [asdict(e) for e in STUDY.experiments.values()]

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
