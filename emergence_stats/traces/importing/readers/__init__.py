"""Files and folders of one kind each, read into rows or tables."""
