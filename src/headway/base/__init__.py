"""base: clock, ids, errors, durations, secrets. Standard library only; knows nothing of delivery."""
