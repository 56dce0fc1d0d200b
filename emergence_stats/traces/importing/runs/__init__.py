"""What was read, run by run: rows of all files, facts, values, names and seeds, and what is said of them."""
