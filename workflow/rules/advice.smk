# What the data of a study support (`python -m alloymtl advise`), for every control with the experiments `affinity` and
# `advice`.
ADVICE = "advice"  # the experiment of that name
READ = ("metrics", "runs", "affinity", "task_relations", "agreement")  # by the step
ADVISED = [one for one in STUDIES if {AFFINITY, ADVICE} <= one.experiments.keys()]

for study in ADVISED:

    rule:
        name:
            of(study, "advise")
        input:
            **tables_of(study, *READ),
            features=f"{study.data_root}/data/features.parquet",
            splits=list(splits_of(study, ADVICE).values()),
            study=described(study),
            code=code("evaluation.affinity.advice"),
        output:
            advice=f"{study.root}/advice.csv",
            text=f"{study.root}/advice.txt",
        log:
            f"{logs(study)}/advice.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            tables=named(tables_of(study, *READ)),
            parts=[f"split.{seed}={path}" for seed, path in splits_of(study, ADVICE).items()],
        shell:
            "python -m alloymtl advice --spec @{input.study} --log {log}"
            " --in features={input.features} {params.tables:q} {params.parts:q}"
            " --out advice={output.advice} text={output.text}"


rule advice:
    input:
        [f"{study.root}/advice.{ending}" for study in ADVISED for ending in ("csv", "txt")],
