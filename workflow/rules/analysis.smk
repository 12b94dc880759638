# Run records to tidy tables, paired tests and what else is told from them, for the study and each of its controls.
COLLECTED = TABLES
COMPARED = ("comparisons", "level_comparisons")
GAINS = ("delta", "delta_levels", "ranks")
OF_NORMS = ("norms", "norm_points")

for study in STUDIES:

    # A file and no parameter of the steps that need it: it is too long to be shown with each error.
    rule:
        name:
            of(study, "describe")
        input:
            **{name: described(control) for name, control in study.controls.items()},
            code=code("describe"),
        output:
            study=described(study),
        log:
            f"{logs(study)}/describe.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=paper_spec(study),
            controls=named({name: described(control) for name, control in study.controls.items()}),
        shell:
            "python -m alloymtl describe --spec {params.spec:q} --log {log} --in {params.controls:q}"
            " --out study={output.study}"

    rule:
        name:
            of(study, "collect")
        input:
            records(study),
            shipped_files(study),
            code=code("evaluation.collect"),
        output:
            **tables_of(study, *COLLECTED),
        log:
            f"{logs(study)}/collect.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=collect_spec(study),
            shipped=shipped_names(study),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl collect --spec {params.spec:q} --log {log}"
            " --in {params.shipped:q} --out {params.out:q}"

    rule:
        name:
            of(study, "compare")
        input:
            **tables_of(study, "metrics"),
            split=f"{study.root}/data/split.parquet",
            code=code("evaluation.compare"),
        output:
            **tables_of(study, *COMPARED),
        log:
            f"{logs(study)}/compare.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=analysis_spec(study),
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl compare --spec {params.spec:q} --log {log}"
            " --in metrics={input.metrics} split={input.split} --out {params.out:q}"

    rule:
        name:
            of(study, "conflict")
        input:
            **tables_of(study, "gradients"),
            code=code("evaluation.conflict"),
        output:
            **tables_of(study, "conflict"),
        log:
            f"{logs(study)}/conflict.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=analysis_spec(study),
        shell:
            "python -m alloymtl conflict --spec {params.spec:q} --log {log}"
            " --in gradients={input.gradients} --out conflict={output.conflict}"

    rule:
        name:
            of(study, "tails")
        input:
            **tables_of(study, "metrics", "predictions"),
            code=code("evaluation.tails"),
        output:
            **tables_of(study, "tails"),
        log:
            f"{logs(study)}/tails.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=analysis_spec(study),
        shell:
            "python -m alloymtl tails --spec {params.spec:q} --log {log}"
            " --in metrics={input.metrics} predictions={input.predictions} --out tails={output.tails}"

    rule:
        name:
            of(study, "synergy")
        input:
            **tables_of(study, "metrics"),
            study=described(study),
            code=code("evaluation.synergy"),
        output:
            **tables_of(study, "synergy"),
        log:
            f"{logs(study)}/synergy.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        shell:
            "python -m alloymtl synergy --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} --out synergy={output.synergy}"

    rule:
        name:
            of(study, "delta")
        input:
            **tables_of(study, "metrics"),
            study=described(study),
            code=code("evaluation.balancing.delta_tables", *balancers(study)),
        output:
            **tables_of(study, *GAINS),
        log:
            f"{logs(study)}/delta.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl delta --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} --out {params.out:q}"

    rule:
        name:
            of(study, "equivalence")
        input:
            **tables_of(study, "metrics"),
            study=described(study),
            code=code("evaluation.balancing.equivalence"),
        output:
            **tables_of(study, "equivalence"),
        log:
            f"{logs(study)}/equivalence.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        shell:
            "python -m alloymtl equivalence --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} --out equivalence={output.equivalence}"

    rule:
        name:
            of(study, "norms")
        input:
            **tables_of(study, "metrics", "gradients", "histories"),
            study=described(study),
            code=code("evaluation.balancing.norms"),
        output:
            **tables_of(study, *OF_NORMS),
        log:
            f"{logs(study)}/norms.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            out=lambda wildcards, output: named(output),
        shell:
            "python -m alloymtl norms --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} gradients={input.gradients} histories={input.histories}"
            " --out {params.out:q}"

    rule:
        name:
            of(study, "balancing_costs")
        input:
            **tables_of(study, "metrics", "runs"),
            study=described(study),
            code=code("evaluation.balancing.costs", *balancers(study)),
        output:
            **tables_of(study, "balancing_costs"),
        log:
            f"{logs(study)}/balancing_costs.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        shell:
            "python -m alloymtl balancing_costs --spec @{input.study} --log {log}"
            " --in metrics={input.metrics} runs={input.runs} --out balancing_costs={output.balancing_costs}"
