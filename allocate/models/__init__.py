"""What is allocated: config, curves, the four layers, and the program they make."""
