"""What a project sets for a claim, in ``[tool.emergence_stats.claims.NAME]``: constants of its helpers, and its last layer."""
