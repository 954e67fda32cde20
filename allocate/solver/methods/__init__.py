"""Ways to solve a program; they know rows and blocks, no layer."""
