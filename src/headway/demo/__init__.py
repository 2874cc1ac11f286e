"""demo: a small world of real parts in one folder, and the story of the whole road told on it."""
