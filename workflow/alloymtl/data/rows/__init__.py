"""From the text cells of raw rows to compositions and labels, and the rules by which rows are rejected."""
