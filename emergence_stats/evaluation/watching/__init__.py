"""What estimates looked at: the traces and events that they asked runs for, for pictures of what is behind a verdict."""
