"""cli: the terminal's face, one file per command. Translates only; every rule lives below."""
