"""Tables of measurements: which column is what, what steps count, and a column per measure or a row per measurement."""
