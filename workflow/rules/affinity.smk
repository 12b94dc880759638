# How alike tasks are by their gradients and otherwise, for every study and control with an experiment `affinity`.
AFFINITIES = ("affinity", "task_relations")
AGREEMENTS = ("agreement", "agreement_runs", "agreement_curves", "thresholds")
PAIRINGS = ("pair_gains", "benefit", "benefit_shares")
GROUPINGS = ("mean_affinity", "groupings", "linkages", "group_scores", "group_gains", "group_contrasts")

for study in (one for one in STUDIES if AFFINITY in one.experiments):

    rule:
        name:
            of(study, "affinity")
        input:
            **tables_of(study, "cosines"),
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
            " --in cosines={input.cosines} features={input.features} {params.truth:q} {params.parts:q}"
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

    # What an architecture says of its groups decides who was trained with whom.
    rule:
        name:
            of(study, "groupings")
        input:
            **tables_of(study, "metrics", *AFFINITIES),
            study=described(study),
            code=code("evaluation.affinity.groupings", *sorted({m.parts["architecture"].module for m in study.trained})),
        output:
            **tables_of(study, *GROUPINGS),
        log:
            f"{logs(study)}/groupings.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl groupings --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} affinity={input.affinity} task_relations={input.task_relations}"
            " --out {params.out:q}"


for study in (one for one in STUDIES if {AFFINITY, BENEFIT} <= set(one.experiments)):

    rule:
        name:
            of(study, "benefit")
        input:
            **tables_of(study, "metrics", *AFFINITIES),
            study=described(study),
            code=code("evaluation.affinity.pairings", *sorted({m.parts["architecture"].module for m in study.trained})),
        output:
            **tables_of(study, *PAIRINGS),
        log:
            f"{logs(study)}/benefit.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl benefit --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} affinity={input.affinity} task_relations={input.task_relations}"
            " --out {params.out:q}"


# What the arms tell, without the study that they belong to.
rule arms:
    input:
        [path for study in STUDIES[1:] for path in of_affinity(study).values()],
