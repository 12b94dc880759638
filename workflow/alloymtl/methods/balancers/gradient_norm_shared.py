"""Gradient-norm scaling by the norms on all shared parameters, not only those of the last shared linear map.

All else, absent tasks included, is as ``gradient_norm`` says.
"""

from __future__ import annotations

from alloymtl.methods.balancers import gradient_norm

OPTIONS = {"smoothing": 0.0, "power": 0.0}
GRADIENTS = "shared"
FAMILY = "normalised sum"

coefficients = gradient_norm.coefficients
settings = gradient_norm.settings
initial_state = gradient_norm.initial_state
n_draws = gradient_norm.n_draws
balance = gradient_norm.balance
