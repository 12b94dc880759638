"""No smoothing: the heads see the representation as it is."""

from __future__ import annotations

OPTIONS = {}

Smoothing = None
