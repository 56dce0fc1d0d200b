"""Where users come in: the shell, Python, notebooks, pytest."""
