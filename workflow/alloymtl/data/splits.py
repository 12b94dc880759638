"""All partitions of a study in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.files import read_parquet, write_parquet


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Put the split tables, named by their split seeds, one below the other."""
    parts = [read_parquet(path).assign(split_seed=int(seed)) for seed, path in inputs.items()]
    write_parquet(outputs["splits"], pd.concat(parts, ignore_index=True))
