"""Questions that take many solves: what each layer does alone, and what coordination is worth."""
