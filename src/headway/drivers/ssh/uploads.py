"""Files to a host: by content, checked, whole or not at all."""

import asyncio
import hashlib
import posixpath
import secrets
from pathlib import Path

from headway.base.durations import format_size
from headway.drivers.ssh.channels import Channel, Ending
from headway.drivers.ssh.errors import ConnectionLost, DiskFullOnHost, UploadRefused
from headway.drivers.ssh.framing import BOOTSTRAP, bootstrap_line, printable, quote
from headway.drivers.ssh.ports import OpenSession

_PIECE = 2**17
#: Up to here a file travels as text in a call: a second channel would cost more than the bytes.
_IN_A_CALL = 2**15
_CHECK_TIMEOUT = 120.0
#: Left free on the host's disk: a disk filled to the brim hurts the service that lives there.
_SPARE = 8 * 2**20

# openssl first for large files: it hashes with the processor's own instructions (50 MB in 0.05 s against 0.15 s).
_FUNCTIONS = r"""
LC_ALL=C; export LC_ALL
sha256_of() {
  {
    if [ "$large" = 1 ] && command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r
    elif command -v sha256sum >/dev/null 2>&1; then sha256sum
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256
    elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r
    elif command -v busybox >/dev/null 2>&1; then busybox sha256sum
    else echo none; fi
  } 2>/dev/null | { read -r sum rest; printf %s "$sum"; }
}
free_of() { df -Pk -- "$1" 2>/dev/null | { read -r line; read -r a b c free rest; printf %s "${free:-?}"; }; }
"""

_CHECK = r"""
if [ -d "$target" ]; then echo "folder"; exit 0; fi
if [ -f "$target" ] && [ "$(sha256_of <"$target")" = "$want" ]; then chmod "$mode" "$target"; echo "same"; exit 0; fi
mkdir -p -- "$folder" || exit 1
[ -w "$folder" ] || { echo "no permission to write in $folder"; exit 1; }
packed=no; command -v gzip >/dev/null 2>&1 && packed=yes
echo "needed $(free_of "$folder") $packed"
"""

# The end of the input is all that tells a whole file from a broken connection: hence the checksum before the move.
_RECEIVE = r"""
umask 077
trap 'rm -f -- "$part"' EXIT; trap 'exit 1' HUP INT TERM PIPE
find "$folder" -maxdepth 1 -name '.headway-upload.*' -mmin +1440 -exec rm -f -- {} + 2>/dev/null
said=$( { $receive >"$part"; } 2>&1 ) || { rm -f -- "$part"; echo "write $(free_of "$folder") $said"; exit 1; }
sum=$(sha256_of <"$part")
[ "$sum" = "$want" ] || { rm -f -- "$part"; echo "sum $sum"; exit 1; }
said=$( { chmod "$mode" "$part" && mv -f -T -- "$part" "$target"; } 2>&1 ) || { rm -f -- "$part"; echo "move $said"; exit 1; }
echo "placed"
"""


async def upload(session: OpenSession, source: Path, sha256: str, destination: str, mode: int) -> bool:
    """False if the content was there. Raises DiskFullOnHost, UploadRefused, ConnectionLost; nothing is left behind."""
    size = source.stat().st_size
    if size <= _IN_A_CALL:
        data = source.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise UploadRefused(session.host.name, f"{source} does not have the SHA-256 {sha256}")
        return await _small(session, data, destination, mode)
    head = _head(destination, sha256, mode, large=size > 2**22)
    answer = await session.call(head + _CHECK, timeout=_CHECK_TIMEOUT)
    words = answer.text.split()
    if answer.ok and words == ["same"]:
        return False
    if answer.ok and words == ["folder"]:
        raise UploadRefused(session.host.name, f"{destination} on {session.host.name} is a folder")
    if not answer.ok or words[:1] != ["needed"]:
        raise UploadRefused(
            session.host.name,
            f"{destination} cannot be written on {session.host.name}: {answer.text.strip()}",
        )
    _room(session, destination, size, words[1])
    packed = await session.connections.packed.get(source, sha256) if words[2] == "yes" else None
    receive = "cat" if packed is None else "gzip -dc"
    script = (
        f"{head}part=$folder/.headway-upload.{secrets.token_hex(8)}; receive={quote(receive)}\n{_RECEIVE}"
    )
    answer_line = await _send(session, script, source if packed is None else packed)
    _judge(session, source, destination, size, answer_line)
    return True


async def upload_bytes(session: OpenSession, data: bytes, destination: str, mode: int) -> None:
    """As `upload`, of bytes that may be secret: the temporary file too is readable by its user only."""
    if len(data) <= _IN_A_CALL:
        await _small(session, data, destination, mode)
        return
    sha256 = hashlib.sha256(data).hexdigest()
    script = (
        _head(destination, sha256, mode, large=False)
        + 'mkdir -p -- "$folder"\n'
        + f"part=$folder/.headway-upload.{secrets.token_hex(8)}; receive=cat\n{_RECEIVE}"
    )
    _judge(session, Path(destination), destination, len(data), await _send(session, script, data))


async def _small(session: OpenSession, data: bytes, destination: str, mode: int) -> bool:
    """In one call: compare, write, check and move."""
    sha256 = hashlib.sha256(data).hexdigest()
    part = f".headway-upload.{secrets.token_hex(8)}"
    script = (
        _head(destination, sha256, mode, large=False)
        + _CHECK.rstrip().rpartition("\n")[0].rpartition("\n")[0]
        + f"\npart=$folder/{part}; give() {{ printf %b {printable(data)}; }}; receive=give\n"
        + _RECEIVE
    )
    answer = await session.call(script, timeout=_CHECK_TIMEOUT)
    line = answer.text.strip()
    if answer.ok and line == "same":
        return False
    if answer.ok and line == "folder":
        raise UploadRefused(session.host.name, f"{destination} on {session.host.name} is a folder")
    _judge(session, Path(destination), destination, len(data), line)
    return True


def _head(destination: str, sha256: str, mode: int, *, large: bool) -> str:
    folder = posixpath.dirname(destination) or "."
    # A name that begins with a dash would be read as an option by the tools.
    target = destination if destination.startswith("/") else f"./{destination}"
    return (
        f"target={quote(target)}; folder={quote(folder if folder.startswith('/') else './' + folder)}\n"
        f"want={quote(sha256)}; mode={mode:o}; large={int(large)}\n{_FUNCTIONS}"
    )


def _room(session: OpenSession, destination: str, size: int, free: str) -> None:
    """Refuses before the first byte when the disk cannot hold the file."""
    if free.isdigit() and int(free) * 1024 < size + _SPARE:
        raise _full(session, destination, size, int(free) * 1024)


def _full(session: OpenSession, destination: str, size: int, free: int | None) -> DiskFullOnHost:
    left = "" if free is None else f", {format_size(free)} are free"
    if free is not None and free >= size:
        left += f", of which {format_size(_SPARE)} are kept for the service that lives there"
    return DiskFullOnHost(
        session.host.name,
        f"the disk of {session.host.name} has no room for {destination}: {format_size(size)} are needed{left}",
        free=free,
        hint=f"make room there (headway exec -H {session.host.name} -- df -h), or lower deploy.keep; nothing was left behind",
    )


async def _send(session: OpenSession, script: str, source: Path | bytes) -> str:
    """Streams the source through a channel of its own; the script's last line."""
    channel = await session.channel(BOOTSTRAP)
    said = bytearray()
    channel.on_output = said.extend
    try:
        channel.write(bootstrap_line(script))
        if isinstance(source, bytes):
            channel.write(source)
        else:
            await _pour(channel, source)
        channel.write_eof()
        await asyncio.wait({channel.ended})
    finally:
        # Given up half-way: the host meets the end of the input, a checksum that differs, and removes its part.
        if not channel.ended.done():
            channel.close()
    ending: Ending = channel.ended.result()
    line = said.decode("utf-8", "replace").strip()
    if ending.exit_code is None and not line:
        raise ConnectionLost(
            session.host.name,
            f"the connection to {session.host.name} was lost during an upload: {ending.error or channel.last_words()}",
        )
    return line or channel.last_words()


async def _pour(channel: Channel, source: Path) -> None:
    with source.open("rb") as file:
        while not channel.ended.done() and (piece := file.read(_PIECE)):
            channel.write(piece)
            await channel.drain()
            # Other hosts' turns: a fast host never makes us wait by itself.
            await asyncio.sleep(0)


def _judge(session: OpenSession, source: Path, destination: str, size: int, line: str) -> None:
    if line == "placed":
        return
    kind, _, rest = line.partition(" ")
    if kind == "write":
        free, _, why = rest.partition(" ")
        if "No space left" in why or "quota exceeded" in why.lower():
            raise _full(session, destination, size, int(free) * 1024 if free.isdigit() else None)
        raise UploadRefused(
            session.host.name, f"{destination} cannot be written on {session.host.name}: {why}"
        )
    if kind == "sum" and rest == "none":
        raise UploadRefused(
            session.host.name,
            f"{session.host.name} has no tool for SHA-256",
            hint="install coreutils, busybox or openssl there",
        )
    if kind == "sum":
        raise UploadRefused(
            session.host.name,
            f"{source} arrived on {session.host.name} with another SHA-256 than it should have ({rest or 'none'})",
            hint="the file here differs from what it is said to be, or the connection damaged it",
        )
    raise UploadRefused(session.host.name, f"{destination} cannot be written on {session.host.name}: {line}")
