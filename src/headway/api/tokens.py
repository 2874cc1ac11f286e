"""Tokens."""

ROUTES = ()
