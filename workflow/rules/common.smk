# The study and its controls, read and checked before any job starts, and what every rule needs of them.
import json
import os
import shlex
import time
from dataclasses import asdict
from functools import cache

from alloymtl.config import combine
from alloymtl.engines import asks_for_gpu, check_devices
from alloymtl.errors import UserError, suggestion
from alloymtl.experiment import AFFINITY, BENEFIT
from alloymtl.paper.catalogue import category, labels
from alloymtl.paper.layout import AFFINITY_TABLES, BENEFIT_TABLES
from alloymtl.progress import building
from alloymtl.progress.failures import report as report_of
from alloymtl.sources import sources
from alloymtl.study import Study

STARTED = time.time()
# The process of one job, on a cluster's node, does what that job needs and nothing else: whoever planned the study has
# checked it, and what every job of a large study pays again is paid thousands of times.
PLANS = workflow.is_main_process
PROFILE = ("tasks", "histograms", "overlap", "elements")  # tables of the step of that name


def origin():
    """The config, as the user knows it."""
    files = [Path(f) for f in workflow.configfiles]
    return ", ".join(str(f.relative_to(Path.cwd()) if f.is_relative_to(Path.cwd()) else f) for f in files)


def read_study():
    """The study of this invocation; a mistake in the config ends here, in one line."""
    try:
        study = Study.from_config(combine([Path(f) for f in workflow.configfiles], config), origin())
        if PLANS:
            check_study(study, origin())
    except UserError as mistake:
        sys.exit(f"error: {mistake}")
    return study


def check_study(study, origin):
    """Make sure that all that the config names is there."""
    from alloymtl.data.elements import check_elements
    from alloymtl.evaluation.metrics import check_metrics
    from alloymtl.method import check_stages

    for name, one in {"": study, **study.controls}.items():
        place = f"{origin}: controls.{name}" if name else origin
        check_elements(one.data["elements"], place)
        check_metrics(one.evaluation, place)
        check_stages(one.trained, [task.name for task in one.tasks], place)
    study.check_sources()
    check_reported(study, origin)


def check_reported(study, origin):
    """Make sure that the numbers that are to stand beside the study's own are there."""
    name, folder = study.paper["reported"], Path(workflow.basedir) / "paper" / "reported"
    # A folder without claims holds numbers that stand beside those of any study.
    known = sorted(path.parent.name for path in folder.glob("*/claims.yaml"))
    if name is not None and name not in known:
        where = os.path.relpath(folder)
        raise UserError(f"{origin}: paper.reported", f"there is no folder {where}/{name}.", suggestion(name, known))


def code(*modules):
    """Source files that decide the output of a step: its modules and all they import; read once the step is planned."""
    return lambda wildcards: sources([f"alloymtl.{m.removeprefix('alloymtl.')}" for m in modules], Path.cwd())


def code_of_runs(study):
    """Source files that decide the runs of a method, by wildcards."""
    return lambda wildcards: code("evaluation.job", *study.methods[wildcards.method].modules())(wildcards)


def balancers(study):
    """Modules of the balancers of a study's methods: what a balancer says of itself decides how it is shown."""
    return sorted({method.parts["balancer"].module for method in study.trained})


def raw_files(study):
    """The files that a study's tasks are read from, once they are to be read."""
    return lambda wildcards: study.raw_files()


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


def share_of(paths):
    """Those of some paths that this Snakemake is to care for, where several share the work (slurm/share.sh)."""
    if building.share() is None:
        return paths
    part, parts = map(int, building.share().split("/"))
    return lambda wildcards: paths(wildcards)[part::parts]


def gpu_of_runs(study):
    """GPUs that a run of a method needs, by wildcards."""
    return lambda wildcards: int(asks_for_gpu(study.methods[wildcards.method].training))


def files_of_run(method):
    """NAME=PATH of all that a run of a method writes, given its record."""
    tables = ("predictions", "history", *method.extras())

    def paths(wildcards, output):
        folder = os.path.dirname(output.record)
        return named({"record": output.record, **{name: f"{folder}/{name}.parquet" for name in tables}})

    return paths


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

    def spec(wildcards):
        extras = {method.name: method.extras() for method in study.trained}
        matrix = {"experiments": experiments(study), "tasks": tasks(study), "extras": extras}
        return as_json({"runs": f"{study.root}/runs", "control": control(study), **matrix})

    return spec


def analysis_spec(study):
    """What most steps after ``collect`` need of a study; others read the whole of it from ``described``."""

    def spec(wildcards):
        return as_json({"experiments": experiments(study), "tasks": tasks(study), "evaluation": study.evaluation})

    return spec


def paper_spec(study):
    """All that tables, figures and text need of a study, its controls by name: one argument holds no more than 128 kB."""
    return lambda wildcards: as_json({**study.to_paper_dict(), "controls": list(study.controls)})


def described(study):
    """Path of the file that tells steps of the study as a whole."""
    return f"{study.root}/study.json"


def truth_of(study):
    """Path of what is known of a simulated study's tasks, by name."""
    return {"truth": f"{study.raw}/truth.json"} if study.simulated else {}


def splits_of(study, experiment):
    """Paths of the partitions that an experiment is run on, by split seed."""
    return {seed: f"{study.root}/data/split/{seed}.parquet" for seed in study.experiments[experiment].split_seeds}


def profile_of(study):
    """Paths of what is known of a study's alloys before training, by name."""
    folder = f"{study.data_root}/data/profile"
    return {f"profile_{name}": f"{folder}/{name}.csv" for name in PROFILE}


def of_affinity(study):
    """What the paper shows of the affinity of a study's tasks, by name."""
    asked = (AFFINITY_TABLES if AFFINITY in study.experiments else ()) + (
        BENEFIT_TABLES if BENEFIT in study.experiments else ()
    )
    return tables_of(study, *asked)


def of_control(control):
    """What the paper shows of a control, by name: of an arm what its gradients tell, of another what it scored."""
    if AFFINITY in control.experiments:
        return of_affinity(control)
    return {
        **tables_of(control, "metrics", "comparisons", "relations"),
        "split": f"{control.root}/data/split.parquet",
        "ingest": f"{control.data_root}/data/ingest.json",
        "profile_overlap": profile_of(control)["profile_overlap"],
    }


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
    " OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"
    " GIT_OPTIONAL_LOCKS=0; "  # a job that is killed while it looks at the commit leaves no lock
)


def methods_to_train():
    """The methods that some job of this build trains, each once for each study."""
    trained = {of(study, f"train_{method.name}"): method for study in STUDIES for method in study.trained}
    retrain = {of(study, "retrain"): study for study in STUDIES}
    needed = workflow.dag.needrun_jobs()
    found = {(job.rule.name, job.wildcards.method if job.rule.name in retrain else "") for job in needed}
    for step, method in sorted(found):
        if step in trained:
            yield trained[step]
        elif step in retrain:
            yield retrain[step].methods[method]


def begin():
    """Last checks before the first job, and a note that this study is being built."""
    try:
        check_devices(methods_to_train(), remote=not workflow.local_exec, where=origin())
        if workflow.executor_plugin.name == "slurm":
            building.check_queue("results", ROOT)
        building.begin(ROOT)
    except UserError as mistake:
        sys.exit(f"error: {mistake}")


for line in building.notices(ROOT) if PLANS else ():
    print(f"warning: {line}", file=sys.stderr)


onstart:
    begin()


onsuccess:
    building.end(ROOT)


onerror:
    building.end(ROOT)
    for line in report_of(STUDY, since=STARTED):
        print(line, file=sys.stderr)
