# The matrix: one job for each method x level x split seed x seed. Each method has a rule of its own, because it depends
# on its own source files alone and adds its own files to a run; a new method therefore trains its own runs and no others.
RUN = f"{ROOT}/runs/{{method}}/level-{{level}}/split-{{split_seed}}/seed-{{seed}}"


for method in STUDY.methods.values():

    rule:
        name:
            f"train_{method.name}"
        input:
            features=rules.features.output.features,
            split=rules.split.output.split,
            code=code("evaluation.job", *method.modules()),
        output:
            **{name: f"{RUN}/{name}.parquet".replace("{method}", method.name) for name in method.extras()},
            record=f"{RUN}/record.json".replace("{method}", method.name),
            predictions=f"{RUN}/predictions.parquet".replace("{method}", method.name),
            history=f"{RUN}/history.parquet".replace("{method}", method.name),
        log:
            f"{ROOT}/logs/train/{method.name}/level-{{level}}-split-{{split_seed}}-seed-{{seed}}.log",
        conda:
            "../../envs/pipeline.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            spec=run_spec(method.name),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl train --spec {params.spec:q} --log {log}"
            " --in features={input.features} split={input.split} --out {params.out:q}"


rule runs:
    input:
        [at("record.json", run) for run in STUDY.runs()],
