"""Numbers that stand for "no bound" and for "nothing", each said once."""

NO_BOUND = 1e12  # levels that no answer reaches: hours, requests, losses or tokens an hour
TINY = 1e-300  # less than this is nothing: it keeps logarithms and quotients finite
