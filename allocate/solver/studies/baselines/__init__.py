"""What is done without shared prices: each baseline a full allocation of the same program.

One file a family of rules; ``bench.Bench`` draws them by name.
"""
