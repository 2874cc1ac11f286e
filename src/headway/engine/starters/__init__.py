"""starters: a first headway.toml for a project that has none."""
