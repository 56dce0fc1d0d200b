"""What a verdict rests on, for somebody who doubts it; and what is tried before a plan is frozen."""
