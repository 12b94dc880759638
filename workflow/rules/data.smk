# Raw tables to the union data set, its features and its partitions.
if STUDY.simulation is not None:

    rule simulate:
        input:
            code=code("data.simulate"),
        output:
            **{task: f"{STUDY.raw}/{task}.csv" for task in STUDY.simulation["rows"]},
            truth=f"{STUDY.raw}/truth.json",
        log:
            f"{ROOT}/logs/simulate.log",
        conda:
            "../../envs/pipeline.yaml"
        params:
            # The order of the tasks in `rows` is part of the simulated world, so it is kept.
            spec=json.dumps(dict(sorted(STUDY.simulation.items())), ensure_ascii=False),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl simulate --spec {params.spec:q} --out {params.out:q} --log {log}"


rule ingest:
    input:
        raw=[s.path for t in STUDY.tasks for s in t.sources],
        code=code("data.ingest"),
    output:
        alloys=f"{ROOT}/data/alloys.parquet",
        rejects=f"{ROOT}/data/rejects.csv",
        report=f"{ROOT}/data/ingest.json",
    log:
        f"{ROOT}/logs/ingest.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=as_json({"data": STUDY.data, "tasks": [t.to_ingest_dict() for t in STUDY.tasks]}),
    shell:
        "python -m alloymtl ingest --spec {params.spec:q} --log {log}"
        " --out alloys={output.alloys} rejects={output.rejects} report={output.report}"


# A rule of its own, so that rejects.csv stays where invalid rows end the build.
rule check:
    input:
        report=rules.ingest.output.report,
        code=code("data.check"),
    output:
        checked=f"{ROOT}/data/checked.json",
    log:
        f"{ROOT}/logs/check.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=as_json({"data": STUDY.data, "rejects": f"{ROOT}/data/rejects.csv"}),
    shell:
        "python -m alloymtl check --spec {params.spec:q} --log {log}"
        " --in report={input.report} --out checked={output.checked}"


rule features:
    input:
        alloys=rules.ingest.output.alloys,
        checked=rules.check.output.checked,
        code=code("data.features"),
    output:
        features=f"{ROOT}/data/features.parquet",
    log:
        f"{ROOT}/logs/features.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=as_json({"elements": STUDY.data["elements"], "tasks": [t.name for t in STUDY.tasks]}),
    shell:
        "python -m alloymtl features --spec {params.spec:q} --log {log}"
        " --in alloys={input.alloys} --out features={output.features}"


# One file for each split seed, so that a further seed leaves the runs of the others alone.
rule split:
    input:
        features=rules.features.output.features,
        code=code("data.split"),
    output:
        split=f"{ROOT}/data/split/{{split_seed}}.parquet",
    log:
        f"{ROOT}/logs/split-{{split_seed}}.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=lambda wildcards: as_json({"split": STUDY.split, "tasks": TASKS, "seed": int(wildcards.split_seed)}),
    shell:
        "python -m alloymtl split --spec {params.spec:q} --log {log}"
        " --in features={input.features} --out split={output.split}"


rule splits:
    input:
        splits=expand(rules.split.output.split, split_seed=STUDY.split_seeds),
        code=code("data.splits"),
    output:
        splits=f"{ROOT}/data/split.parquet",
    log:
        f"{ROOT}/logs/splits.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        parts=[f"{seed}={ROOT}/data/split/{seed}.parquet" for seed in STUDY.split_seeds],
    shell:
        "python -m alloymtl splits --in {params.parts:q} --out splits={output.splits} --log {log}"


rule data:
    input:
        rules.ingest.output,
        rules.features.output,
        rules.splits.output,
