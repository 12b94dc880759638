"""``python -m alloymtl STEP ...``."""

from alloymtl.cli import main

raise SystemExit(main())
