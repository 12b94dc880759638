# Raw tables to the union data set, its features and its partitions, for the study and each of its controls. A control
# whose data are those of its study has only its partitions to itself.
for study in STUDIES:

    if study.simulates:

        rule:
            name:
                of(study, "simulate")
            input:
                code=code("data.simulate"),
            output:
                **{task: f"{study.raw}/{task}.csv" for task in study.simulation["rows"]},
                truth=f"{study.raw}/truth.json",
            log:
                f"{logs(study)}/simulate.log",
            localrule: True
            conda:
                "../../envs/pipeline.yaml"
            params:
                # The order of the tasks in `rows` is part of the simulated world, so it is kept.
                spec=json.dumps(dict(sorted(study.simulation.items())), ensure_ascii=False),
                out=lambda wildcards, output: named(output),
            shell:
                "python -m alloymtl simulate --spec {params.spec:q} --out {params.out:q} --log {log}"

    if study.ingests:

        rule:
            name:
                of(study, "ingest")
            input:
                raw=raw_files(study),
                code=code("data.ingest"),
            output:
                alloys=f"{study.root}/data/alloys.parquet",
                rejects=f"{study.root}/data/rejects.csv",
                report=f"{study.root}/data/ingest.json",
            log:
                f"{logs(study)}/ingest.log",
            localrule: True
            conda:
                "../../envs/pipeline.yaml"
            params:
                spec=as_json({"data": study.data, "tasks": [t.to_ingest_dict() for t in study.tasks]}),
            shell:
                "python -m alloymtl ingest --spec {params.spec:q} --log {log}"
                " --out alloys={output.alloys} rejects={output.rejects} report={output.report}"

        # A rule of its own, so that rejects.csv stays where invalid rows end the build.
        rule:
            name:
                of(study, "check")
            input:
                report=f"{study.root}/data/ingest.json",
                code=code("data.check"),
            output:
                checked=f"{study.root}/data/checked.json",
            log:
                f"{logs(study)}/check.log",
            localrule: True
            conda:
                "../../envs/pipeline.yaml"
            params:
                spec=as_json({"data": study.data, "rejects": f"{study.root}/data/rejects.csv"}),
            shell:
                "python -m alloymtl check --spec {params.spec:q} --log {log}"
                " --in report={input.report} --out checked={output.checked}"

        rule:
            name:
                of(study, "features")
            input:
                alloys=f"{study.root}/data/alloys.parquet",
                checked=f"{study.root}/data/checked.json",
                code=code("data.features"),
            output:
                features=f"{study.root}/data/features.parquet",
            log:
                f"{logs(study)}/features.log",
            localrule: True
            conda:
                "../../envs/pipeline.yaml"
            params:
                spec=as_json({"elements": study.data["elements"], "tasks": [t.name for t in study.tasks]}),
            shell:
                "python -m alloymtl features --spec {params.spec:q} --log {log}"
                " --in alloys={input.alloys} --out features={output.features}"

        rule:
            name:
                of(study, "profile")
            input:
                alloys=f"{study.root}/data/alloys.parquet",
                checked=f"{study.root}/data/checked.json",
                code=code("data.profile"),
            output:
                **{name: f"{study.root}/data/profile/{name}.csv" for name in PROFILE},
            log:
                f"{logs(study)}/profile.log",
            localrule: True
            conda:
                "../../envs/pipeline.yaml"
            params:
                spec=as_json(
                    {
                        "elements": study.data["elements"],
                        "tasks": [{"name": t.name, "kind": t.kind, "unit": t.unit} for t in study.tasks],
                    }
                ),
                out=lambda wildcards, output: named(output),
            shell:
                "python -m alloymtl profile --spec {params.spec:q} --log {log}"
                " --in alloys={input.alloys} --out {params.out:q}"

    # One file for each split seed, so that a further seed leaves the runs of the others alone.
    rule:
        name:
            of(study, "split")
        input:
            features=f"{study.data_root}/data/features.parquet",
            code=code("data.split"),
        output:
            split=f"{study.root}/data/split/{{split_seed}}.parquet",
        log:
            f"{logs(study)}/split-{{split_seed}}.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=split_spec(study),
        shell:
            "python -m alloymtl split --spec {params.spec:q} --log {log}"
            " --in features={input.features} --out split={output.split}"

    rule:
        name:
            of(study, "splits")
        input:
            splits=[f"{study.root}/data/split/{seed}.parquet" for seed in study.split_seeds],
            code=code("data.splits"),
        output:
            splits=f"{study.root}/data/split.parquet",
        log:
            f"{logs(study)}/splits.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            parts=[f"{seed}={study.root}/data/split/{seed}.parquet" for seed in study.split_seeds],
        shell:
            "python -m alloymtl splits --in {params.parts:q} --out splits={output.splits} --log {log}"

    rule:
        name:
            of(study, "leakage")
        input:
            features=f"{study.data_root}/data/features.parquet",
            splits=[f"{study.root}/data/split/{seed}.parquet" for seed in study.split_seeds],
            code=code("data.leakage"),
        output:
            leakage=f"{study.root}/data/leakage.csv",
        log:
            f"{logs(study)}/leakage.log",
        localrule: True
        conda:
            "../../envs/pipeline.yaml"
        params:
            spec=as_json({"split": study.split, "tasks": tasks(study), "seeds": study.split_seeds}),
            parts=[f"split.{seed}={study.root}/data/split/{seed}.parquet" for seed in study.split_seeds],
        shell:
            "python -m alloymtl leakage --spec {params.spec:q} --log {log}"
            " --in features={input.features} {params.parts:q} --out leakage={output.leakage}"


rule data:
    input:
        [f"{study.data_root}/data/{name}" for study in STUDIES for name in ("rejects.csv", "features.parquet")],
        [f"{study.data_root}/data/profile/tasks.csv" for study in STUDIES],
        [f"{study.root}/data/{name}" for study in STUDIES for name in ("split.parquet", "leakage.csv")],
