"""arXiv:2602.15997, by J. Billa (2026): collapse to floors, from the output to the input, and what follows it."""

PAPER = "arXiv:2602.15997"
