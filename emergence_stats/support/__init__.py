"""What every room may use: files written whole, and words for numbers and names."""
