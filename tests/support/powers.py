"""File permissions mean nothing to root. Tests about them give root's override away, instead of being skipped.

Linux only, where root's power is a set of capabilities; elsewhere such tests run as an ordinary user anyway.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_VERSION_3 = 0x20080522
#: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of linux/capability.h.
_OVERRIDES = (1 << 1) | (1 << 2)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """File permissions hold for this thread, even as root. Programs that it starts are root again."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    assert libc.capget(ctypes.byref(header), data) == 0
    before = data[0].effective
    data[0].effective = before & ~_OVERRIDES
    assert libc.capset(ctypes.byref(header), data) == 0
    try:
        yield
    finally:
        data[0].effective = before
        assert libc.capset(ctypes.byref(header), data) == 0


def bound_program() -> list[str]:
    """Words to put before a program, so that file permissions hold for it and all that it starts."""
    if os.geteuid() != 0:
        return []
    return [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
    ]


@cache
def may_mount() -> bool:
    """Root may mount, where it is not root of a container that forbids it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]
        if subprocess.run(words, check=False, capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", "-l", folder], check=True)
    return True


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory on `folder`, for as long as the block lasts; ask `may_mount` first."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
