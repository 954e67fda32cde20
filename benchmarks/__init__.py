"""Benchmarks: instances drawn at random, a driver, and the table of what was certified."""
