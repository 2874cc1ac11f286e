-- Hosts that a person left out of what goes on: a JSON list of names.
ALTER TABLE deployments ADD COLUMN left_out TEXT NOT NULL DEFAULT '[]';
