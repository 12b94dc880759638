# Making shipped records (`ship`), making them stand for a new config or code of the same data (`renew`), and training some
# of their runs anew (`verify`).
SHIPPED_TABLES = [f"{prefix(control(study))}{name}.parquet" for study in STUDIES for name in TABLES]


rule make_records:
    input:
        [f"{study.root}/{name}.parquet" for study in STUDIES for name in TABLES],
        [f"{study.data_root}/data/features.parquet" for study in STUDIES],
        [f"{study.root}/data/split/{seed}.parquet" for study in STUDIES for seed in study.split_seeds],
        [records(study) for study in STUDIES],
        shipped_manifest,
        code=code("evaluation.records", JOB, *[module for study in STUDIES for module in data_modules(study)]),
        methods=code(*[module for study in STUDIES for method in study.trained for module in method.modules()]),
    output:
        manifest=f"{ROOT}/records/manifest.json",
        tables=[f"{ROOT}/records/{name}" for name in SHIPPED_TABLES],
    log:
        f"{ROOT}/logs/records.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=ship_spec,
        shipped=lambda wildcards: named({"shipped": path for path in shipped_manifest(wildcards)}),
    shell:
        "python -m alloymtl ship --spec {params.spec:q} --log {log} --in {params.shipped:q}"
        " --out manifest={output.manifest}"


rule renew:
    input:
        [f"{study.data_root}/data/features.parquet" for study in STUDIES],
        [f"{study.root}/data/split/{seed}.parquet" for study in STUDIES for seed in study.split_seeds],
        manifest=str(RECORDS / "manifest.json"),
        code=code("evaluation.renew", *[module for study in STUDIES for module in data_modules(study)]),
    output:
        manifest=f"{ROOT}/renewed/manifest.json",
    log:
        f"{ROOT}/logs/renew.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=ship_spec,
    shell:
        "python -m alloymtl renew --spec {params.spec:q} --log {log}"
        " --in manifest={input.manifest} --out manifest={output.manifest}"


for study in STUDIES:

    rule:
        name:
            of(study, "retrain")
        input:
            features=f"{study.data_root}/data/features.parquet",
            split=f"{study.root}/data/split/{{split_seed}}.parquet",
            code=code_of_runs(study),
        output:
            record=f"{retrained(study)}/record.json",
            predictions=f"{retrained(study)}/predictions.parquet",
            history=f"{retrained(study)}/history.parquet",
            # Removed by Snakemake before the job, so that a run that was verified before is trained all the same.
            twin=f"{retrained(study)}/.record.json",
        log:
            f"{logs(study)}/verify/{{method}}/level-{{level}}-split-{{split_seed}}-seed-{{seed}}.log",
        wildcard_constraints:
            method="[a-z][a-z0-9_]*",
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            gpu=gpu_of_runs(study),
        params:
            spec=retrained_spec(study),
            out=lambda wildcards, output: named({k: v for k, v in output.items() if k != "twin"}),
        shell:
            "python -m alloymtl train --spec {params.spec:q} --log {log}"
            " --in features={input.features} split={input.split} --out {params.out:q}"


# A rule of its own, so that the report stays where runs differ.
rule compare_retrained:
    input:
        lambda wildcards: list(verified_files(wildcards).values()),
        code=code("evaluation.verify"),
    output:
        report=f"{ROOT}/verify.csv",
    log:
        f"{ROOT}/logs/verify.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=verify_spec,
        files=lambda wildcards: named(verified_files(wildcards)),
    shell:
        "python -m alloymtl verify --spec {params.spec:q} --log {log} --in {params.files:q}"
        " --out report={output.report}"


rule verify:
    input:
        report=rules.compare_retrained.output.report,
    log:
        f"{ROOT}/logs/verdict.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    shell:
        "python -m alloymtl verdict --log {log} --in report={input.report}"


rule ship:
    input:
        rules.make_records.output,
