"""pipeline: which jobs a run has, which may start, which are skipped and why. Decides only."""
