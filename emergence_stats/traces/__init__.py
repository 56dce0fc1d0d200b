"""The store of traces and its format: read, checked, written, and filled from elsewhere."""
