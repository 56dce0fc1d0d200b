"""Pictures of results, drawn from the values given to them."""
