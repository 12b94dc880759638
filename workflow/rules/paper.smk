# Tables, figures, numbers and text.
from alloymtl.paper.layout import figure_files, render_files, table_files

PAPER_TEMPLATES = os.path.relpath(Path(workflow.basedir) / "paper")
TABLE_FILES = table_files(ROOT)
FIGURE_FILES = figure_files(ROOT)
RENDER_FILES = render_files(ROOT, PAPER_TEMPLATES)
MARK = "**Simulated data: nothing shown here is evidence about a real alloy.**" if STUDY.simulated else ""


report: "../report/simulated.rst" if STUDY.simulated else "../report/measured.rst"


# All that the paper is made from.
RESULTS = {
    **tables_of(STUDY, *COLLECTED, *COMPARED, "conflict", "tails", "synergy", *GAINS, *OF_NORMS),
    **tables_of(STUDY, "equivalence", "balancing_costs"),
    "balancing_reported": f"{PAPER_TEMPLATES}/reported/2509.23915/tables.csv",
    "overlap_reported": f"{PAPER_TEMPLATES}/reported/2604.07848/threshold.csv",
    "overlap_reported_values": f"{PAPER_TEMPLATES}/reported/2604.07848/values.csv",
    "split": f"{ROOT}/data/split.parquet",
    "ingest": f"{ROOT}/data/ingest.json",
    "rejects": f"{ROOT}/data/rejects.csv",
    "leakage": f"{ROOT}/data/leakage.csv",
    **profile_of(STUDY),
    "claims": f"{ROOT}/claims.csv",
    "audit": f"{ROOT}/audit.csv",
    **({"reported": REPORTED["tables"]} if REPORTED else {}),
    **of_affinity(STUDY),
    **{
        f"control_{control.name}_{name}": path
        for control in STUDY.controls.values()
        for name, path in of_control(control).items()
    },
}


rule make_tables:
    input:
        **RESULTS,
        study=described(STUDY),
        code=code("paper.tables"),
    output:
        **in_report(TABLE_FILES, "csv", "table"),
    log:
        f"{ROOT}/logs/tables.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(RESULTS),
        out=named(TABLE_FILES),
        mark=MARK,
    shell:
        "python -m alloymtl tables --spec @{input.study} --log {log} --in {params.files:q} --out {params.out:q}"


rule make_figures:
    input:
        **RESULTS,
        study=described(STUDY),
        code=code("paper.figures"),
    output:
        **in_report(FIGURE_FILES, "png", "figure"),
    log:
        f"{ROOT}/logs/figures.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(RESULTS),
        out=named(FIGURE_FILES),
        mark=MARK,
    shell:
        "python -m alloymtl figures --spec @{input.study} --log {log} --in {params.files:q} --out {params.out:q}"


rule numbers:
    input:
        **RESULTS,
        study=described(STUDY),
        code=code("paper.numbers"),
    output:
        numbers=RENDER_FILES["numbers"],
        numbers_json=RENDER_FILES["numbers_json"],
    log:
        f"{ROOT}/logs/numbers.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(RESULTS),
    shell:
        "python -m alloymtl numbers --spec @{input.study} --log {log} --in {params.files:q}"
        " --out numbers={output.numbers} numbers_json={output.numbers_json}"


rule render:
    input:
        **RENDER_FILES,
        study=described(STUDY),
        code=code("paper.render"),
    output:
        pdf=report(
            f"{ROOT}/paper/paper.pdf",
            caption="../report/paper.rst",
            category="Paper",
            labels={"number": "PDF", "shows": "The whole paper"},
        ),
        tex=f"{ROOT}/paper/paper.tex",
        source=f"{ROOT}/paper/paper-arxiv.tar.gz",
    log:
        f"{ROOT}/logs/render.log",
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    params:
        files=named(RENDER_FILES),
        mark=MARK,
    shell:
        "python -m alloymtl render --spec @{input.study} --log {log} --in {params.files:q}"
        " --out pdf={output.pdf} tex={output.tex} source={output.source}"


rule tables:
    input:
        rules.make_tables.output,


rule figures:
    input:
        rules.make_figures.output,


rule paper:
    input:
        rules.render.output.pdf,


rule arxiv:
    input:
        rules.render.output.source,
