-- Who pushed what a run is of, as its forge's signature or the sign-in to push says; empty: not known.
ALTER TABLE runs ADD COLUMN pushed_by TEXT NOT NULL DEFAULT '';
