"""Adam with an automatic step size, as NGDiff takes it (arXiv:2410.22086): generalised Newton, GeN (arXiv:2407.02772).

In the first step, and in every ``every``-th after it, the weighted sum of the losses L is computed at three points: at
w itself (L_0) and, with p the change of the parameters that Adam would make at the present step size e, at w + p (L_-)
and at w - p (L_+). The parabola through these is lowest at

    e* = (e / 2) (L_+ - L_-) / (L_+ - 2 L_0 + L_-).

L is that of the epoch's next batch (after the last, the first), with that batch's dropped units and no change of the
running statistics: the step was made from its own batch, on which it looks better than it is, so that a parabola there
asks for ever longer steps. Where the loss does not fall along p, or does not curve upwards, the parabola says nothing
and e stays. Else the new step size is ``memory`` x e + (1 - ``memory``) x e*, with e* held between e / 2 and 2 e.
Smoothing and bounds are those of GeN's release. It starts from the learning rate of the training settings, and their
schedule on a plateau has no say. Penalties of the architecture are not in L.
"""

from __future__ import annotations

from numba.extending import register_jitable

OPTIONS = {"every": 10, "memory": 0.9}
FORM = "automatic"

_FURTHEST = 2.0


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
