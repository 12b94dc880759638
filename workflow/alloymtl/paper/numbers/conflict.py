"""Numbers of the cosines between the gradients of tasks."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import count_signs, key_of, sign
from alloymtl.paper.spec import shown_level

EXPERIMENT = "conflict"
MEASURES = ("minibatch", "large", "corrected")


def cosines(material: Material, store: Store) -> None:
    """Cosine of each pair of tasks by each measure, with its interval and where that lies.

    ``cosines`` lists what there is: a measure of a pair for which fewer than two runs have a value is left out.
    """
    study = material.study
    store.facts["cosines"] = []
    experiment = study.experiments.get(EXPERIMENT)
    if experiment is None or len(study.tasks) < 2:
        return
    table = material.conflict
    table = table[table["level"] == str(shown_level(experiment))]
    rows = {(r.method, r.first, r.second, r.measure): r for r in table.itertuples(index=False)}
    for method in experiment.methods:
        for first, second in combinations([task.name for task in study.tasks], 2):
            for measure in MEASURES:
                row = rows.get((method, first, second, measure), rows.get((method, second, first, measure)))
                if row is None or not np.isfinite([row.mean, row.ci_low, row.ci_high]).all():
                    continue
                key = key_of("cosine", method, first, second, measure)
                store.number(f"{key}.mean", row.mean, 3)
                store.interval(key, row.ci_low, row.ci_high, 3)
                named = {"method": method, "first": first, "second": second, "measure": measure, "key": key}
                store.facts["cosines"].append({**named, "sign": sign(row.ci_low, row.ci_high)})
        for measure in MEASURES:
            mine = [c for c in store.facts["cosines"] if c["method"] == method and c["measure"] == measure]
            count_signs(store, f"cosine.{method}.{measure}", mine)
