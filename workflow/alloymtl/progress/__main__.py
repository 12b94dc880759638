"""``python -m alloymtl.progress -- snakemake ...``."""

from alloymtl.progress.launch import main

raise SystemExit(main())
