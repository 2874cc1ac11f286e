"""server: what one server process is made of, and what its start would find out."""
