"""``python -m alloymtl STEP ...``."""

import gc

# Imports make objects by the hundred thousand that are there to stay, and a short run is mostly imports. To look for
# cycles among them each time that 700 more are there is a fourteenth of it.
gc.set_threshold(100_000, 50, 1000)

from alloymtl.cli import main  # noqa: E402

raise SystemExit(main())
