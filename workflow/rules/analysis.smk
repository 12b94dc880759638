# Run records to tidy tables and paired tests.
WITH_RELATIONS = [m.name for m in STUDY.methods.values() if "relations" in m.extras()]


rule collect:
    input:
        [at(f"{name}.parquet", run) for run in STUDY.runs() for name in STUDY.methods[run.method].extras()],
        records=[at("record.json", run) for run in STUDY.runs()],
        predictions=[at("predictions.parquet", run) for run in STUDY.runs()],
        histories=[at("history.parquet", run) for run in STUDY.runs()],
        code=code("evaluation.collect"),
    output:
        metrics=f"{ROOT}/metrics.parquet",
        relations=f"{ROOT}/relations.parquet",
        histories=f"{ROOT}/histories.parquet",
        predictions=f"{ROOT}/predictions.parquet",
    log:
        f"{ROOT}/logs/collect.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=as_json(
            {"runs": f"{ROOT}/runs", "experiments": EXPERIMENTS, "tasks": TASKS, "with_relations": WITH_RELATIONS}
        ),
    shell:
        "python -m alloymtl collect --spec {params.spec:q} --log {log} --out metrics={output.metrics}"
        " relations={output.relations} histories={output.histories} predictions={output.predictions}"


rule compare:
    input:
        metrics=rules.collect.output.metrics,
        code=code("evaluation.compare"),
    output:
        comparisons=f"{ROOT}/comparisons.parquet",
    log:
        f"{ROOT}/logs/compare.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=as_json({"experiments": EXPERIMENTS, "tasks": TASKS, "evaluation": STUDY.evaluation}),
    shell:
        "python -m alloymtl compare --spec {params.spec:q} --log {log}"
        " --in metrics={input.metrics} --out comparisons={output.comparisons}"
