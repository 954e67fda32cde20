"""How the answer hangs on the numbers of the config: exact derivatives at the optimum."""
