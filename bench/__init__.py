"""How fast the engines are, beside the training loop that everyone writes: ``python -m bench`` from the root."""
