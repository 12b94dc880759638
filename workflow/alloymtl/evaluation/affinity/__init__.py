"""Gradient affinity of tasks: how it is measured, what it agrees with, and what it is good for."""
