# The matrix: one job for each method x level x split seed x seed. Each method has a rule of its own, because it depends
# on its own source files alone; a new method therefore trains its own runs and no others.
#
# A run's record is the only file that Snakemake is told of. It comes last and names the checksums of the others, and
# what Snakemake removes when it starts a run once more is then the record alone: a run that had finished is recognised
# by its files and not trained again.
for study in STUDIES:

    # The source files that decide the runs of a method, as one input: thousands of runs that each had all of them as
    # inputs would take half as long again to plan. Snakemake holds the files themselves to their checksums.
    rule:
        name:
            of(study, "code")
        input:
            code_of_runs(study),
        output:
            code=f"{study.root}/code/{{method}}.txt",
        log:
            f"{logs(study)}/code/{{method}}.log",
        wildcard_constraints:
            method="[a-z][a-z0-9_]*",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        shell:
            "cksum {input:q} > {output.code} 2> {log}"

    for method in study.trained:

        rule:
            name:
                of(study, f"train_{method.name}")
            input:
                features=f"{study.data_root}/data/features.parquet",
                split=f"{study.root}/data/split/{{split_seed}}.parquet",
                code=f"{study.root}/code/{method.name}.txt",
            output:
                record=f"{runs_of(study, method)}/record.json",
            log:
                f"{logs(study)}/train/{method.name}/level-{{level}}-split-{{split_seed}}-seed-{{seed}}.log",
            conda:
                "../../envs/pipeline.yaml"
            threads: 1
            resources:
                **({"gpu": 1} if asks_for_gpu(method.training) else {}),
            params:
                spec=run_spec(study, method.name),
                out=files_of_run(method),
            shell:
                "python -m alloymtl train --spec {params.spec:q} --log {log}"
                " --in features={input.features} split={input.split} --out {params.out:q}"


rule runs:
    input:
        [share_of(records(study)) for study in STUDIES],


# All that runs read: made once, before several Snakemakes train a share of the runs each (slurm/share.sh).
rule prepare:
    input:
        rules.data.input,
        [f"{study.root}/code/{method.name}.txt" for study in STUDIES for method in study.trained],
