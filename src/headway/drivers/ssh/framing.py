"""How a command travels over the standard input of an open shell, and its output back: pure, no connection in sight.

A command is one quoted word for `eval` in a subshell, so a syntax error, an `exit` or an open quote ends
that command and never the shell. Its input is /dev/null: dash reads ahead, and a command that read the
shell's own input would swallow the next command. Marks hold chance that only the two ends know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headway.base.errors import WrongUse

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(rb"[A-Za-z0-9_@%+=:,./-]+")


def quote(word: str) -> str:
    """One word for a POSIX shell, whatever is in it. Bytes that are no UTF-8 come as surrogates (os.fsdecode).

    Raises WrongUse for a NUL, which no argument can hold.
    """
    if "\0" in word:
        raise WrongUse("a NUL character cannot be part of a command")
    if _PLAIN.fullmatch(encode(word)):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def quote_all(words: Sequence[str]) -> str:
    return " ".join(quote(word) for word in words)


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def exports(env: Mapping[str, str]) -> str:
    """`export NAME='value'` lines. Raises WrongUse for a name that no shell takes."""
    for name in env:
        if not _NAME.fullmatch(name):
            raise WrongUse(f"'{name}' cannot be the name of an environment variable")
    return "".join(f"export {name}={quote(value)}\n" for name, value in env.items())


def printable(data: bytes) -> str:
    """Bytes as the operand of `printf %b`: every byte, NUL too, in one quoted word of one line."""
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\'%" else f"\\0{byte:03o}" for byte in data
    )
    return f"'{text}'"


#: Reads one line of script from standard input to the byte and runs it. No word of ours is in any argument
#: list, and sh, bash, fish and csh as login shells all take this line as it is.
BOOTSTRAP = 'exec sh -c \'IFS= read -r line && eval "$(printf %b "$line")"\''


def bootstrap_line(script: str) -> bytes:
    """The script as the one line that BOOTSTRAP reads; what follows on standard input is left for the script."""
    if "\0" in script:
        raise WrongUse("a NUL character cannot be part of a command")
    return encode(script).replace(b"\\", b"\\0134").replace(b"\n", b"\\0012") + b"\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call brought: exit code, and standard output and error together as they came.

    `dropped` counts bytes cut out of the middle because of the limit; a line in their place says so.
    """

    exit_code: int
    output: bytes
    dropped: int = 0

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


class Capped:
    """Keeps the head and the tail of a stream, `limit` bytes in all, and counts what fell out between.

    Where something did, both end at a line's border: half of a secret could not be masked any more, and what is masked is
    masked line by line.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._fallen = 0

    def add(self, data: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        # Cut seldom: each cut moves the tail.
        if len(self._tail) > 2 * self._half + 65536:
            self._cut()

    def _cut(self) -> None:
        over = len(self._tail) - self._half
        if over > 0:
            del self._tail[:over]
            self._fallen += over

    def value(self) -> tuple[bytes, int]:
        """What is kept, and how many bytes are not."""
        self._cut()
        if not self._fallen:
            return bytes(self._head + self._tail), 0
        head, tail = self._head[: self._head.rfind(b"\n") + 1], self._tail[self._tail.find(b"\n") + 1 :]
        if b"\n" not in self._tail:
            tail = bytearray()
        dropped = self._fallen + len(self._head) - len(head) + len(self._tail) - len(tail)
        note = f"\n[… {dropped} bytes of output dropped here …]\n".encode()
        return bytes(head) + note + bytes(tail), dropped


@dataclass
class Frame:
    """One call's way back: output between two marks, of which only what a limit allows is kept.

    Bytes before the begin mark are not this call's: greetings of a login shell, strays of a call before.
    """

    nonce: str
    limit: int
    _pending: bytes = b""
    _begun: bool = False
    _kept: Capped = field(init=False)

    def __post_init__(self) -> None:
        self._kept = Capped(self.limit)

    @property
    def _begin(self) -> bytes:
        return f"<{self.nonce}>\n".encode()

    @property
    def _end(self) -> bytes:
        return f"</{self.nonce}> ".encode()

    def send(self, script: str) -> bytes:
        """What goes to the shell's standard input."""
        begin, end = f"<{self.nonce}>", f"</{self.nonce}>"
        return encode(
            f"printf '%s\\n' '{begin}'; ( eval {quote(script)} ) </dev/null 2>&1; printf '%s %d\\n' '{end}' \"$?\"\n"
        )

    def feed(self, data: bytes) -> Reply | None:
        """Takes what came; the reply once the end mark is whole."""
        self._pending += data
        if not self._begun:
            found = self._pending.find(self._begin)
            if found < 0:
                self._pending = self._pending[-len(self._begin) :]
                return None
            self._begun = True
            self._pending = self._pending[found + len(self._begin) :]
        found = self._pending.find(self._end)
        if found < 0:
            # The last bytes may be the beginning of the end mark.
            safe = len(self._pending) - len(self._end)
            if safe > 0:
                self._kept.add(self._pending[:safe])
                self._pending = self._pending[safe:]
            return None
        newline = self._pending.find(b"\n", found)
        if newline < 0:
            return None
        code = int(self._pending[found + len(self._end) : newline])
        self._kept.add(self._pending[:found])
        return Reply(code, *self._kept.value())

    @property
    def so_far(self) -> bytes:
        """What had come when the call was given up."""
        return self._kept.value()[0] + self._pending if self._begun else b""
