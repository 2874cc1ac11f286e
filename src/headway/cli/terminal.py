"""Bytes of a log on their way to a terminal: whatever could move its cursor, rename its window or make it answer stays out.

Colours (SGR) may pass, and a lone carriage return does, for progress bars. Nothing is decoded: bytes that are no
UTF-8 come through as they are.
"""

import re

#: What calls for a closer look: controls except tab and line feed, DEL, and the first byte of the C1 controls.
_SUSPECT = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f\xc2]")
_SEQUENCE = re.compile(
    rb"(?P<colour>\x1b\[[0-9;:]*m)"
    rb"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC with their text
    rb"|\x1b[ -/]*[0-Z\\`-~]"  # the short ones
    rb"|\xc2[\x80-\x9f]"  # C1 controls in UTF-8
    rb"|\r(?=\n)"
    rb"|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]"
)
#: A sequence that may go on in the next piece.
_OPEN = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\xc2|\r)\Z")
#: Text of a sequence that never ends is not waited for longer than this.
_LONGEST_SEQUENCE = 4096


class TerminalFilter:
    """A stream of bytes, piece by piece; a sequence that is cut in two by a piece's end is still found."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        self._rest = b""
        if not _SUSPECT.search(data):
            return data
        tail = _OPEN.search(data, max(0, len(data) - _LONGEST_SEQUENCE))
        if tail is not None:
            self._rest = data[tail.start() :]
            data = data[: tail.start()]
        return _SEQUENCE.sub(self._kept, data)

    def end(self) -> bytes:
        """What was still waited for: nothing of an open sequence is worth showing."""
        self._rest = b""
        return b""

    def _kept(self, match: re.Match[bytes]) -> bytes:
        return match[0] if self._colour and match["colour"] else b""


def clean(data: bytes, *, colour: bool) -> bytes:
    """The same for bytes that are whole."""
    return TerminalFilter(colour=colour).feed(data)
