"""Adam with an automatic step size: generalised Newton, GeN (Bu and Xu 2024), as NGDiff takes it (arXiv:2410.22086).

In the first step, and in every ``every``-th after it, the weighted sum of the losses L is computed at two more points:
with p the change of the parameters that Adam would make at the present step size e, at w + p (L_-) and at w - p (L_+),
for the same batch, the same dropped units and without a change of the running statistics. The parabola through these
and L_0 at w itself is lowest at

    e* = (e / 2) (L_+ - L_-) / (L_+ - 2 L_0 + L_-).

Where the loss does not fall along p, or does not curve upwards, the parabola says nothing and e stays. Else the new
step size is ``memory`` x e + (1 - ``memory``) x e*, with e* held within a tenth and ten times e, since a parabola of a
single batch may be all but flat. It starts from the learning rate of the training settings, and their schedule on a
plateau has no say. The smoothing, the bounds and the interval are ours; penalties of the architecture are not in L.
"""

from __future__ import annotations

from numba.extending import register_jitable

OPTIONS = {"every": 10, "memory": 0.9}
FORM = "automatic"

_FURTHEST = 10.0


@register_jitable
def step_size(rate: float, here: float, ahead: float, behind: float, memory: float) -> float:
    """The next step size.

    Args:
        rate: the present one, e.
        here: L_0.
        ahead: L_-, one step of size e on.
        behind: L_+, one such step back.
        memory: share of the present one that is kept, 0 to 1.
    """
    fall, bend = behind - ahead, behind - 2 * here + ahead
    if not (fall > 0 and bend > 0):
        return rate
    lowest = min(max(fall / bend / 2, 1 / _FURTHEST), _FURTHEST) * rate
    return rate + (1 - memory) * (lowest - rate)
