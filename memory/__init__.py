"""What is kept of a run: the place of the run store. Empty so far."""
