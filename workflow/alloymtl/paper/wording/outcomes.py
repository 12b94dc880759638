"""What other loss weights may leave of a loss: the words that numbers and sentences share."""

from __future__ import annotations

REMOVED, REDUCED, REMAINS, OPEN = "removed", "reduced", "remains", "open"
