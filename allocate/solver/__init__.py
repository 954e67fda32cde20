"""How a program is solved, judged and read."""
