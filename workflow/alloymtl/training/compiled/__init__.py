"""The fast engine: what the reference engine computes, compiled.

What a new part needs here:

- a balancer, a sampler, a smoothing: nothing; a loss or an architecture of a known form: nothing;
- a loss of a new form: its function in ``kernels.losses`` and its line in ``engine.LOSSES`` and ``engines.FORMS``;
- an architecture of a new form: its parameters in ``layout.plan``, its two directions in a kernel that
  ``kernels.epoch`` calls, its evaluation in ``evaluation``, its line in ``engines.FORMS``.

Until it has that, ``engine: auto`` lets the reference engine train it.

Layers of the room: ``jit`` and ``denormals`` know how things are compiled; ``layout`` where parameters lie; ``kernels``
the arithmetic, lowest first: adam, normalisation, heads, losses, smoothing, then tasks, backbone, graph, coupling, then
epoch; ``engine`` is what the loop sees.
"""
