"""Language models that are trained here: a corpus, probes mined from it, and the training."""
