"""engine: load, decide, store, then act. The only place where the cores meet the outside world."""
