"""Pictures of results, drawn from values that they are given."""
