"""Keys made for one demo: one for the user, one for each host, and the known_hosts that joins them."""

import os
from pathlib import Path

import asyncssh


def make_key(path: Path) -> str:
    """Write a private key that only its owner may read; answers its public half as one line."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="made by headway demo")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.export_private_key())
    return key.export_public_key().decode().strip()


def known_line(port: int, public_key: str) -> str:
    """The line of known_hosts for a host on this port of loopback."""
    return f"[127.0.0.1]:{port} {public_key}\n"
