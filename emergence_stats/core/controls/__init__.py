"""Controls: what is changed about the runs, and what it has to show."""
