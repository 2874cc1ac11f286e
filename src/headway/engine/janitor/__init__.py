"""janitor: housekeeping: what is kept, what is packed, what goes."""
