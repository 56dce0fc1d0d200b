"""What is measured at a checkpoint, and the rows that it gives."""
