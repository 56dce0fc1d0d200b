"""A plan in words: the methods section of a paper, and the forms of registries."""
