"""Step ``renew``: shipped records stand for the present config and code of the data, if the data are the same.

A change in how raw rows are read, or a new key of the config, may leave every number of the features and partitions as
it was. Then nothing need be trained anew: the manifest gets the checksums of the present config and code, and all that
it says of runs stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError
from alloymtl.evaluation.manifest import Manifest, code_checksum, file_checksum, mend
from alloymtl.evaluation.shipped import ShippedRuns
from alloymtl.files import write_text

log = logging.getLogger("alloymtl")


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write the manifest anew; ``spec`` is that of the step ``ship``, and ``manifest`` the shipped one.

    Raises:
        UserError: a run was trained from other features or partitions than there are now, or of a control that the
            study no longer has.
    """
    folder = inputs["manifest"].parent
    manifest = Manifest.read(folder)
    if manifest is None:
        raise UserError(str(folder), "there are no shipped records.", mend(folder))
    data = {}
    for control, before in manifest.data.items():
        study = spec["studies"].get(control)
        if study is None:
            what = f"they hold runs of the control {control!r}, which the config does not have."
            raise UserError(str(folder), what, "bring it back, or train and `make ship` anew.")
        files = {"features": Path(study["features"])}
        files |= {f"split.{Path(path).stem}": Path(path) for path in study["splits"]}
        runs = ShippedRuns(folder, control)
        gone = {seed for _, _, seed, _ in runs.entries} - {int(name[6:]) for name in files if name != "features"}
        if gone:
            what = f"they hold runs of split seed {min(gone)}, which the config does not have."
            raise UserError(str(folder), what, "bring it back, or train and `make ship` anew.")
        runs.check_data(runs.entries, files)
        now = {"specification": study["data"], "code": code_checksum(study["modules"])}
        data[control] = {**before, **now, "raw": {path: file_checksum(path) for path in study["raw"]}}
    write_text(outputs["manifest"], replace(manifest, data=data).text())
    log.info("the data are those that %d runs were trained from", len(manifest.entries))
