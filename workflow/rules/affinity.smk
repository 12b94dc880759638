# How alike tasks are by their gradients and otherwise, for every study and control with an experiment `affinity`.
AFFINITIES = ("affinity", "task_relations")
AGREEMENTS = ("agreement", "agreement_runs", "agreement_curves", "thresholds")

for study in (one for one in STUDIES if AFFINITY in one.experiments):

    rule:
        name:
            of(study, "affinity")
        input:
            **tables_of(study, "gradients"),
            **truth_of(study),
            features=f"{study.data_root}/data/features.parquet",
            splits=list(splits_of(study, AFFINITY).values()),
            code=code("evaluation.affinity.step"),
        output:
            **tables_of(study, *AFFINITIES),
        log:
            f"{logs(study)}/affinity.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=analysis_spec(study),
            parts=[f"split.{seed}={path}" for seed, path in splits_of(study, AFFINITY).items()],
            truth=named(truth_of(study)),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl affinity --spec {params.spec:q} --log {log}"
            " --in gradients={input.gradients} features={input.features} {params.truth:q} {params.parts:q}"
            " --out {params.out:q}"

    rule:
        name:
            of(study, "agreement")
        input:
            **tables_of(study, *AFFINITIES),
            code=code("evaluation.affinity.agreements"),
        output:
            **tables_of(study, *AGREEMENTS),
        log:
            f"{logs(study)}/agreement.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=analysis_spec(study),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl agreement --spec {params.spec:q} --log {log}"
            " --in affinity={input.affinity} task_relations={input.task_relations} --out {params.out:q}"


rule affinities:
    input:
        [
            f"{study.root}/{name}.parquet"
            for study in STUDIES
            if AFFINITY in study.experiments
            for name in (*AFFINITIES, *AGREEMENTS)
        ],
