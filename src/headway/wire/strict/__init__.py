"""strict: TOML files as pydantic models, read so that every fault is told at once with its place and the near word.

Knows no particular file: headway.toml is `wire.contract`, org.toml is `wire.org`. Touches no file.
"""
