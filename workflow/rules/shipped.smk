# Shipped records: the collected tables of a study in records/<study>/, from which its tables and figures are made without
# training. Which runs they stand for, and what the rules need to know of it.
from alloymtl.evaluation.coverage import Coverage, data_modules, data_specification, measured_files, rebuilds
from alloymtl.evaluation.manifest import JOB, TABLES, checksum, prefix

# In the repository: `make ship` copies them there from the results, since no rule may write what it reads.
RECORDS = Path(os.path.relpath(Path(workflow.basedir) / "records" / STUDY.name))


@cache
def coverage():
    """What is shipped of this study; a damaged manifest ends here, in one line."""
    try:
        return Coverage(STUDY, RECORDS)
    except UserError as mistake:
        sys.exit(f"error: {mistake}")


def stale_will_do():
    """Whether stale records may be used.

    Snakemake knows its targets once it asks for the inputs of rules, and not yet when it reads this file. The process of
    a single job is given no target: there, what had to be trained anew has been trained.
    """
    return not PLANS or rebuilds(workflow.dag_settings.targets, ROOT)


def control(study):
    """Name of a control; empty for the study itself."""
    return "" if study is STUDY else study.name


@cache
def shipped_runs():
    """Folders of the runs that shipped records stand for, by control; says once whether they are stale."""
    stale = stale_will_do()
    note = coverage().note() if stale and PLANS else None
    if note:
        print(f"warning: {note}", file=sys.stderr)
    return {name: coverage().covered(name, stale) for name in coverage().studies}


def runs_here(study):
    """The runs that no shipped record stands for."""
    shipped = shipped_runs()[control(study)]
    return [run for run in study.runs() if run.folder not in shipped]


def shipped_inputs(study):
    """What ``collect`` needs where shipped records stand for runs: the manifest, and the data to hold them to."""
    shipped = shipped_runs()[control(study)].values()
    if not shipped:
        return {}
    splits = sorted({one.run.split_seed for one in shipped})
    return {
        "manifest": str(RECORDS / "manifest.json"),
        "features": f"{study.data_root}/data/features.parquet",
        **{f"split.{seed}": f"{study.root}/data/split/{seed}.parquet" for seed in splits},
    }


def shipped_files(study):
    """The files of ``shipped_inputs``, once Snakemake knows what is asked for."""
    return lambda wildcards: list(shipped_inputs(study).values())


def shipped_names(study):
    """NAME=PATH of each of them."""
    return lambda wildcards: named(shipped_inputs(study))


def shipped_manifest(wildcards):
    """The manifest that is there, if it stands for any run of the study or its controls."""
    return [str(RECORDS / "manifest.json")] if any(shipped_runs().values()) else []


def ship_spec(wildcards):
    """What a manifest says of data, and where it finds the runs."""
    studies = {
        control(study): {
            "root": study.root,
            "features": f"{study.data_root}/data/features.parquet",
            "splits": [f"{study.root}/data/split/{seed}.parquet" for seed in study.split_seeds],
            "data": checksum(data_specification(study)),
            "modules": data_modules(study),
            "raw": measured_files(study),
        }
        for study in STUDIES
    }
    return as_json({"study": STUDY.name, "studies": studies})


def retrained(study):
    """Folder of a run that is trained anew, by wildcards."""
    run = "{method}/level-{level}/split-{split_seed}/seed-{seed}"
    return f"{ROOT}/verify/{prefix(control(study))}{run}"


def retrained_spec(study):
    """Its specification."""
    return lambda wildcards: run_spec(study, wildcards.method)(wildcards)


@cache
def verified():
    """The runs that are trained anew: control, method, level, split seed and seed of each, by its folder."""
    sample = coverage().sample(STUDY.records["sample"], STUDY.records["seed"])
    return {
        f"{prefix(name)}{run.folder}": (name, run.method, run.level, run.split_seed, run.seed) for name, run in sample
    }


def verified_files(wildcards):
    """Their records by folder, and the manifest that they are held to."""
    manifest = {"manifest": str(RECORDS / "manifest.json")} if verified() else {}
    return {**manifest, **{folder: f"{ROOT}/verify/{folder}/record.json" for folder in verified()}}


def verify_spec(wildcards):
    """The runs that are trained anew, and the metric by which those of each task are compared."""
    metrics = {control(one): {task.name: one.evaluation[task.kind][0] for task in one.tasks} for one in STUDIES}
    return as_json({"folder": str(RECORDS), "runs": list(verified().values()), "metrics": metrics})


# Every other process needs some of it; a damaged manifest must end it before any job starts.
if PLANS:
    coverage()
