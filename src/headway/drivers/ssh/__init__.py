"""SSH: strict about host keys, one connection and one open shell a host, everything quoted.

`connections` connects, `session` calls and uploads, `running` runs a command on a channel of its own.
"""
