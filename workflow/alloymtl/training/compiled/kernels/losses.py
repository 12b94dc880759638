"""Losses of one task over its labelled rows in a batch, and their gradients.

They all have one form, so that the step takes any of them (``jit.LOSS``); they are the torch losses of the reference
engine written out. Arguments:

- ``output``, ``target``, ``weight``: of the task's labelled rows (rows,);
- ``sigma``: SD of the noise, for a loss that learns it;
- ``mixture``: the distribution of the training labels (log weights, means, variances; 3 x components), for a loss that
  knows it beforehand;
- ``d_output``: gradient of the mean loss by the outputs (rows,); set;
- ``d_sigma``: gradient of the mean loss by sigma (1,); set.

They return the mean loss over the rows.
"""

from __future__ import annotations

import numpy as np

from alloymtl.training.compiled.jit import LOSS, exact, kernel


@exact(LOSS)
def squared(output, target, weight, sigma, mixture, d_output, d_sigma):
    """Mean of weight x squared error (arXiv:2512.22740, equations 1, 7 and 10)."""
    n = len(output)
    total = 0.0
    for i in range(n):
        error = output[i] - target[i]
        total += weight[i] * error * error
        d_output[i] = 2.0 * weight[i] * error / n
    d_sigma[0] = 0.0
    return total / n


@exact(LOSS)
def contrast(output, target, weight, sigma, mixture, d_output, d_sigma):
    """Balanced MSE by the labels of the batch, BMC (arXiv:2203.16427; arXiv:2512.22740, equation 2).

    Row i's loss is 2 sigma^2 x (log of the sum over j of exp(l_ij) - l_ii), where l_ij = -(p_i - y_j)^2 / (2 sigma^2)
    and j goes over the task's labels in the batch. No gradient flows through the factor in front.
    """
    n = len(output)
    variance = sigma * sigma
    logit = np.empty(n)
    total, d_variance = 0.0, 0.0
    for i in range(n):
        largest = -np.inf
        for j in range(n):
            difference = output[i] - target[j]
            logit[j] = -difference * difference / (2.0 * variance)
            largest = max(largest, logit[j])
        # Shares of the labels; mean difference and mean logit under them.
        parts, difference, of_logit = 0.0, 0.0, 0.0
        for j in range(n):
            part = np.exp(logit[j] - largest)
            parts += part
            difference += part * (output[i] - target[j])
            of_logit += part * logit[j]
        total += weight[i] * 2.0 * variance * (largest + np.log(parts) - logit[i])
        d_output[i] = 2.0 * weight[i] * ((output[i] - target[i]) - difference / parts) / n
        d_variance += 2.0 * weight[i] * (logit[i] - of_logit / parts)
    d_sigma[0] = 2.0 * sigma * d_variance / n
    return total / n


@exact(LOSS)
def mixture(output, target, weight, sigma, mixture, d_output, d_sigma):
    """Balanced MSE against a known distribution of labels, GAI and BNI (arXiv:2203.16427).

    With v = sigma^2 and components of weight w, mean m and variance u, a row's loss is 2 v x ((p - y)^2 / (2 v)
    + log(v) / 2 + log of the sum of w exp(-(p - m)^2 / (2 (u + v))) / sqrt(u + v)). No gradient flows through
    the factor in front.
    """
    n, components = len(output), mixture.shape[1]
    variance = sigma * sigma
    logit = np.empty(components)
    total, d_variance = 0.0, 0.0
    for i in range(n):
        largest = -np.inf
        for c in range(components):
            spread, difference = mixture[2, c] + variance, output[i] - mixture[1, c]
            logit[c] = mixture[0, c] - 0.5 * np.log(spread) - difference * difference / (2.0 * spread)
            largest = max(largest, logit[c])
        parts, by_output, by_variance = 0.0, 0.0, 0.0
        for c in range(components):
            part = np.exp(logit[c] - largest)
            spread, difference = mixture[2, c] + variance, output[i] - mixture[1, c]
            parts += part
            by_output -= part * difference / spread
            by_variance += part * (difference * difference / (2.0 * spread * spread) - 0.5 / spread)
        error = output[i] - target[i]
        own = error * error / (2.0 * variance) + 0.5 * np.log(variance)
        total += weight[i] * 2.0 * variance * (own + largest + np.log(parts))
        d_output[i] = weight[i] * 2.0 * variance * (error / variance + by_output / parts) / n
        d_own = 0.5 / variance - error * error / (2.0 * variance * variance)
        d_variance += weight[i] * 2.0 * variance * (d_own + by_variance / parts)
    d_sigma[0] = 2.0 * sigma * d_variance / n
    return total / n


@kernel
def cross_entropy(logit, target):
    """Cross-entropy of one logit with a class of 0 or 1, and its derivative by the logit."""
    small = np.exp(-abs(logit))
    loss = max(logit, 0.0) - logit * target + np.log1p(small)
    probability = 1.0 / (1.0 + small) if logit >= 0.0 else small / (1.0 + small)
    return loss, probability - target
