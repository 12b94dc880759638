"""Showing users where they are.

A training job says how far it is (``reporter``), a launcher runs Snakemake as its child (``launch``), reads its output
(``output``) and draws what is known on the terminal (``display``). Nothing here decides a result.
"""

from alloymtl.progress.reporter import Reporter

__all__ = ["Reporter"]
