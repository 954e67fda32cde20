"""What ``allocate plan`` found: advice, where buying stops, curves, frontier, periods, change."""
