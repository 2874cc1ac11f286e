"""dora: the five delivery metrics from rows of the past, with their intervals. Counts only; reads nothing."""
