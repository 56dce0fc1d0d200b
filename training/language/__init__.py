"""Language models as sources of traces: published checkpoints, and models that are trained here."""
