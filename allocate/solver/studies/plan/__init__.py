"""Capacity decisions: what the next unit is worth, where buying stops, and the way there."""
