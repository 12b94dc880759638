"""Balancing of tasks: what it gains, whether gradient norms predict imbalance, and what it costs."""
