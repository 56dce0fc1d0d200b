"""Contrasts of scales, and intervals and p-values of them by one procedure each."""
