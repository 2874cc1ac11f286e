-- The services whose releases begin runs of a repository, as a JSON list, by the headway.toml of its default branch; NULL:
-- not known, so that file is read.
ALTER TABLE repositories ADD COLUMN follows TEXT;
