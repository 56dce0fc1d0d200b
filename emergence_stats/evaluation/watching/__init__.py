"""What a reader is shown beside a verdict: what estimates looked at, notes, and units."""
