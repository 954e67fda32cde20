"""A linter for allocations: the seven failure modes, each with its size in USD per hour."""
