"""runs: runs from their order to their end: rows, jobs, slots, the duty that drives them."""
