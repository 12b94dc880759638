"""Showing users where they are.

A training job says how far it is (``reporter``), a launcher runs Snakemake as its child (``launch``), reads its output
(``output``) and draws what is known on the terminal (``display``). From the files that runs (``runs``, ``run_log``) and
Slurm (``slurm_logs``) leave, ``status`` says how a study stands and what it costs (``forecast``, ``view``), and
``failures`` what went wrong. Nothing here decides a result.
"""

from alloymtl.progress.reporter import Reporter

__all__ = ["Reporter"]
