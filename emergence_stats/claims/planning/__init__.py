"""The runs that a plan wants: which are there, how they were made, what the others cost, and their collection."""
