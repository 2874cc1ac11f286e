"""asyncssh, imported without its search for liboqs and libnettle.

It looks for them with `ctypes.util.find_library`, which starts gcc, ld and ldconfig: 40 ms of every command that
speaks SSH. All that they would add is sntrup761 (ML-KEM, the standard that came of it, is in `cryptography`) and
the UMAC checksums, which nobody needs beside AES-GCM.
"""

import ctypes.util

_find_library = ctypes.util.find_library
ctypes.util.find_library = lambda name: None
try:
    import asyncssh
finally:
    ctypes.util.find_library = _find_library

__all__ = ["asyncssh"]
