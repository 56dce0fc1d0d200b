"""From the values of units to verdicts, and what qualifies them: rules, looks, predictions, controls, qualifiers."""
