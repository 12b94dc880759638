# The verdict on each claim of a published study, and checks of its numbers and of our own. A study that names none has
# no claims and checks its own numbers.
REPORTED = {
    name: os.path.relpath(Path(workflow.basedir) / "paper" / "reported" / STUDY.paper["reported"] / file)
    for name, file in {"tables": "tables.csv", "claims": "claims.yaml"}.items()
    if STUDY.paper["reported"] is not None
}
AUDITED = {
    **tables_of(STUDY, "metrics", "runs", "relations"),
    "split": f"{ROOT}/data/split.parquet",
    **({"reported": REPORTED["tables"], "claims": REPORTED["claims"]} if REPORTED else {}),
}
EVIDENCE = {
    **tables_of(STUDY, "metrics", "relations", "conflict", "similarity", "tails", "synergy"),
    "split": f"{ROOT}/data/split.parquet",
    "ingest": f"{STUDY.data_root}/data/ingest.json",
    **({"reported": REPORTED["claims"]} if REPORTED else {}),
}


rule judge:
    input:
        **EVIDENCE,
        study=described(STUDY),
        code=code("evaluation.claims"),
    output:
        claims=f"{ROOT}/claims.csv",
    log:
        f"{ROOT}/logs/claims.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(EVIDENCE),
    shell:
        "python -m alloymtl claims --spec @{input.study} --log {log} --in {params.files:q} --out claims={output.claims}"


rule audit:
    input:
        **AUDITED,
        study=described(STUDY),
        code=code("evaluation.audit"),
    output:
        audit=f"{ROOT}/audit.csv",
    log:
        f"{ROOT}/logs/audit.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(AUDITED),
    shell:
        "python -m alloymtl audit --spec @{input.study} --log {log} --in {params.files:q} --out audit={output.audit}"


rule claims:
    input:
        rules.judge.output,
        rules.audit.output,
