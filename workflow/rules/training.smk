# The matrix: one job for each method x level x split seed x seed. Each method has a rule of its own, because it depends
# on its own source files alone and adds its own files to a run; a new method therefore trains its own runs and no others.
for study in STUDIES:
    for method in study.trained:

        rule:
            name:
                of(study, f"train_{method.name}")
            input:
                features=f"{study.data_root}/data/features.parquet",
                split=f"{study.root}/data/split/{{split_seed}}.parquet",
                code=code("evaluation.job", *method.modules()),
            output:
                **{name: f"{runs_of(study, method)}/{name}.parquet" for name in method.extras()},
                record=f"{runs_of(study, method)}/record.json",
                predictions=f"{runs_of(study, method)}/predictions.parquet",
                history=f"{runs_of(study, method)}/history.parquet",
            log:
                f"{logs(study)}/train/{method.name}/level-{{level}}-split-{{split_seed}}-seed-{{seed}}.log",
            conda:
                "../../envs/pipeline.yaml"
            threads: 1
            resources:
                mem_mb=2000,
                runtime=60,
            params:
                spec=run_spec(study, method.name),
                out=lambda wildcards, output: named(output),
            shell:
                "python -m alloymtl train --spec {params.spec:q} --log {log}"
                " --in features={input.features} split={input.split} --out {params.out:q}"


rule runs:
    input:
        [records(study) for study in STUDIES],
