# From raw alloy tables to a paper: see README.md. One configuration is one study; its results lie in results/<study>/.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

if not workflow.configfiles:

    include: "workflow/rules/default_config.smk"


include: "workflow/rules/common.smk"
include: "workflow/rules/shipped.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/affinity.smk"
include: "workflow/rules/advice.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/records.smk"


localrules:
    all,
    data,
    runs,
    tables,
    figures,
    claims,
    paper,
    arxiv,
    prepare,
    advice,
    ship,


rule all:
    default_target: True
    input:
        rules.paper.input,
        rules.tables.input,
        rules.figures.input,
        rules.claims.input,
        rules.data.input,
        rules.runs.input,
