"""COST: teleportation out of conflict, beside any balancer (Zhou et al. 2025, arXiv:2503.04046).

From epoch ``after`` + 1 on, each step looks at its gradients g_i of the tasks' losses on the shared parameters w, with
g_0 their mean. At the first step of an epoch where they conflict, w moves before the step is taken, to a place where
the losses are as they were and the small gradients are larger. Adam then steps from there, by the same batch. At most
one such move an epoch; a step without one is plain Adam's.

Conflict. It is dominated where the gradient of smallest norm and g_0 point apart, cos < 0. (The point of smallest norm
in the gradients' convex hull, another reading, never does.)

Move. Each shared linear map W becomes W + (8 / ``rank``) B A, B zero and A as linear maps start (low-rank adaptation).
All else rests, batch normalisation with its running statistics. In ``passes`` passes over the epoch's batches Adam,
with the first learning rate of the training settings, takes B and A down, batch by batch,

    L = sum_i |L_i - L_i*| - ``gamma`` sum_i R_i max_n |L_i(w + e u_n) - L_i(w)| / e,
    R_i = T (1 - ||g_i|| / sum_j ||g_j||),

with L_i* the batch's loss before the move, T the number of tasks, R_i held in the gradient of L, and u_n random
directions of length 1, ``perturbations`` of them, drawn anew for each batch. Then W takes the product up.

Trajectory. With s the cosine of the change of w and of the last step's balanced gradient, Adam's moments are forgotten
if s <= 0; else its decay rates are s times theirs for one step. The change is compared with the gradient itself, as
printed, not with the way down.

``variant: released`` is as in the authors' code: there is conflict where any g_i and g_0 do not point the same way, cos
<= 0; the loss is 10 mean_i |L_i - L_i*| - .5 mean_i R_i max_n ..., with L_i* the mean over the epoch's batches; its
second term is that of the batch that was in conflict, R_i included; and u_n covers all parameters, heads too, with
length 1 in each of their tensors.

Ours: e = 1e-4 is so short that single precision loses the difference of the losses, so its limit is computed, the slope
of L_i along u_n. R_i is that of the batch where the move has got to. Terms are over the tasks that a batch holds, with
T their number; a task with a gradient of zero takes no part in a conflict. Units are dropped as in training. The code
starts after 50 of 200 epochs; after 10 the method acts in runs that stop early, too. Left out: clipping to norm 1, and
two accidents of the code, where no gradient flows through the perturbed networks, and the decay rates are put back
before the step that they are meant for.
"""

from __future__ import annotations

import numpy as np

OPTIONS = {"after": 10, "rank": 5, "passes": 2, "perturbations": 5, "gamma": 0.1, "variant": "paper"}
CHOICES = {"variant": ["paper", "released"]}
FORM = "teleported"
GRADIENTS = "shared"


def conflicts(gram: np.ndarray, variant: str) -> bool:
    """Whether the tasks' gradients are in a conflict that a move is to resolve.

    Args:
        gram: inner products of the gradients (tasks x tasks), NaN for absent tasks.
        variant: one of ``CHOICES``.
    """
    norms = np.diagonal(gram)
    tasks = np.flatnonzero(norms > 0)
    if not len(tasks):
        return False
    along_mean = gram[np.ix_(tasks, tasks)].sum(1)
    if variant == "released":
        return bool((along_mean <= 0).any())
    return bool(along_mean[norms[tasks].argmin()] < 0)


def ratios(norms: np.ndarray) -> np.ndarray:
    """R_i of each task: the smaller the norm of its gradient is beside the others', the larger.

    Args:
        norms: of the gradients of the tasks that the batch holds (tasks,).
    """
    total = norms.sum()
    return len(norms) * (1 - norms / total) if total > 0 else np.zeros(len(norms))
