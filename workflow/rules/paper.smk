# Tables, figures, numbers and text.
from alloymtl.paper.layout import figure_files, render_files, table_files

PAPER_TEMPLATES = os.path.relpath(Path(workflow.basedir) / "paper")
TABLE_FILES = table_files(ROOT)
FIGURE_FILES = figure_files(ROOT)
RENDER_FILES = render_files(ROOT, PAPER_TEMPLATES)
PAPER_SPEC = as_json(STUDY.to_paper_dict())


rule make_tables:
    input:
        metrics=rules.collect.output.metrics,
        relations=rules.collect.output.relations,
        comparisons=rules.compare.output.comparisons,
        split=rules.splits.output.splits,
        ingest=rules.ingest.output.report,
        code=code("paper.tables"),
    output:
        **TABLE_FILES,
    log:
        f"{ROOT}/logs/tables.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=PAPER_SPEC,
        out=named(TABLE_FILES),
    shell:
        "python -m alloymtl tables --spec {params.spec:q} --log {log} --in metrics={input.metrics}"
        " relations={input.relations} comparisons={input.comparisons} split={input.split} ingest={input.ingest}"
        " --out {params.out:q}"


rule make_figures:
    input:
        metrics=rules.collect.output.metrics,
        relations=rules.collect.output.relations,
        histories=rules.collect.output.histories,
        predictions=rules.collect.output.predictions,
        code=code("paper.figures"),
    output:
        **FIGURE_FILES,
    log:
        f"{ROOT}/logs/figures.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=PAPER_SPEC,
        out=named(FIGURE_FILES),
    shell:
        "python -m alloymtl figures --spec {params.spec:q} --log {log} --in metrics={input.metrics}"
        " relations={input.relations} histories={input.histories} predictions={input.predictions}"
        " --out {params.out:q}"


rule numbers:
    input:
        metrics=rules.collect.output.metrics,
        relations=rules.collect.output.relations,
        comparisons=rules.compare.output.comparisons,
        split=rules.splits.output.splits,
        ingest=rules.ingest.output.report,
        code=code("paper.numbers"),
    output:
        numbers=RENDER_FILES["numbers"],
        numbers_json=RENDER_FILES["numbers_json"],
    log:
        f"{ROOT}/logs/numbers.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=PAPER_SPEC,
    shell:
        "python -m alloymtl numbers --spec {params.spec:q} --log {log} --in metrics={input.metrics}"
        " relations={input.relations} comparisons={input.comparisons} split={input.split} ingest={input.ingest}"
        " --out numbers={output.numbers} numbers_json={output.numbers_json}"


rule render:
    input:
        **RENDER_FILES,
        code=code("paper.render"),
    output:
        pdf=f"{ROOT}/paper/paper.pdf",
        tex=f"{ROOT}/paper/paper.tex",
        source=f"{ROOT}/paper/paper-arxiv.tar.gz",
    log:
        f"{ROOT}/logs/render.log",
    conda:
        "../../envs/pipeline.yaml"
    params:
        spec=PAPER_SPEC,
        files=named(RENDER_FILES),
    shell:
        "python -m alloymtl render --spec {params.spec:q} --log {log} --in {params.files:q}"
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
