"""Servers for the tests of this folder."""

from tests.support.sshd import sshd, sshd_farm

__all__ = ["sshd", "sshd_farm"]
