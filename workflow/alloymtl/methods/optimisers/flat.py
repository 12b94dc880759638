"""Flat-minima multi-task learning, F-MTL (Phan et al. 2022): sharpness-aware gradients, task by task.

For each task i of the batch: a step of length ``radius_shared`` up its gradient g_i on the shared parameters and one of
length ``radius_own`` up that on its own ones lead to where its loss is sharpest nearby. Its gradient there is g_i^SAM,
and what the shared part of it has more than g_i is g_i^flat = g_i^SAM - g_i. With the balancer as aggregator Agg, the
shared parameters follow Agg(g_1, ...) + Agg(g_1^flat, ...); a task's own parameters follow its g_i^SAM. Adam takes the
step.

The extra passes use the same batch and dropped units, and leave the running statistics alone. A balancer with a state
has one for each of the two sums. Absent tasks have no gradient and take no part; a gradient of zero is not stepped
along. Radii of .05: the paper searches them over .01, .05 and .1.
"""

OPTIONS = {"radius_shared": 0.05, "radius_own": 0.05}
FORM = "flat"
GRADIENTS = "shared"
