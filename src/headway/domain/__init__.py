"""domain: what is stored and spoken of. Frozen types and enums; no I/O, no decisions."""
