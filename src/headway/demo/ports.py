"""Free ports on loopback that stay free until their service starts."""

import random
import socket
from pathlib import Path

#: Linux hands out source ports from here on when its own file does not say.
_EPHEMERAL_LOW, _EPHEMERAL_HIGH = 32768, 60999


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on.

    They lie outside the range from which the kernel takes the source ports of outgoing connections: a service that
    restarts under traffic would otherwise find its own port taken now and then by a connection of a client.
    """
    low, high = _ephemeral_range()
    candidates = [*range(max(low - 12000, 10240), low), *range(high + 1, 65500)]
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"there are no {count} free ports on loopback outside {low}-{high}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _ephemeral_range() -> tuple[int, int]:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        return _EPHEMERAL_LOW, _EPHEMERAL_HIGH
    return int(low), int(high)
