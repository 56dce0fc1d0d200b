"""One pass from runs to results: values of units, estimates, verdicts, controls."""
