"""store: the database, one file of queries per noun. Never decides, never waits on the outside world."""
