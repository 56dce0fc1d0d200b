"""How often verdicts are wrong, on simulated studies whose truth is known. Nothing here is measured."""
