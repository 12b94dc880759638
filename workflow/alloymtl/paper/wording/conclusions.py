"""What follows from the results of a study, experiment by experiment, in sentences that its verdicts choose."""

from __future__ import annotations

from alloymtl.paper.wording.conclusions_balancing import OnBalancing
from alloymtl.paper.wording.conclusions_controls import OnControls
from alloymtl.paper.wording.conclusions_levels import OnLevels
from alloymtl.paper.wording.conclusions_norms import OnNorms
from alloymtl.paper.wording.conclusions_overlap import OnOverlap
from alloymtl.paper.wording.conclusions_reported import OnReported
from alloymtl.paper.wording.conclusions_tasks import OnTasks
from alloymtl.paper.wording.conclusions_weights import OnWeights


class Conclusions(OnLevels, OnTasks, OnWeights, OnControls, OnNorms, OnBalancing, OnOverlap, OnReported):
    """All that templates say of what a study found."""
