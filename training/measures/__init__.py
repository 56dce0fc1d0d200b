"""The measures, one file each: formula, cost and what it was checked against."""
