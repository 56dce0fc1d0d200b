"""When things happen in a run: what comes before what, by how much, and whether one goes with the other."""
