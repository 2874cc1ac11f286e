"""Addresses of repositories elsewhere, checked at the door: what git would run, read or leak by them.

UnwelcomeAddress   2   an address that Headway does not fetch from
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from headway.base.errors import WrongUse

_SCHEMES = ("https", "http", "ssh", "git", "file")
#: What git may speak for an address: its own scheme, and what such a server may send it on to.
_SPOKEN = {"http": "http:https"}
#: `user@host:path`, ssh's short form; the path must not begin with a second colon (`ext::`).
_SHORT = re.compile(r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^:].*)")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*)|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_LONGEST = 2048


class UnwelcomeAddress(WrongUse):
    pass


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address. `origin` is what a credential belongs to: scheme, host and port."""

    url: str
    scheme: str
    user: str = ""
    origin: str = ""

    @property
    def protocols(self) -> str:
        """For git's GIT_ALLOW_PROTOCOL."""
        return _SPOKEN.get(self.scheme, self.scheme)


def check_url(url: str, *, allow_files: bool = False) -> Address:
    """The address, if git may be given it. `allow_files` lets in `file://` and paths of this machine.

    Raises UnwelcomeAddress: for what starts programs (`ext::`), could be taken for an option, holds a password (it
    would be stored and shown in clear), or is no address at all.
    """
    if not url or len(url) > _LONGEST or not url.isprintable() or " " in url:
        raise _unwelcome(url, "is empty, too long, or holds blanks or control characters")
    if url.startswith("-") or re.match(r"[A-Za-z0-9+.-]*::", url):
        raise _unwelcome(url, "is nothing that git may be given")
    if url.startswith("/"):
        return _file(f"file://{url}", allow_files)
    if "://" not in url:
        return _short(url)
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise _unwelcome(url, f"begins with {parts.scheme}://, and {', '.join(_SCHEMES[:-1])} are known")
    if parts.scheme == "file":
        return _file(url, allow_files)
    return _remote(url)


def _short(url: str) -> Address:
    found = _SHORT.fullmatch(url)
    if found is None:
        raise _unwelcome(url, "is no address: it lacks https:// or ssh://")
    if found["path"].startswith("-"):
        raise _unwelcome(url, "has a path that could be taken for an option")
    return Address(url, "ssh", found["user"] or "", f"ssh://{found['host']}")


def _remote(url: str) -> Address:
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise _unwelcome(url, "has a port that is none") from None
    at = parts.netloc.rpartition("@")
    host = at[2].removesuffix(port) if port else at[2].removesuffix(":")
    if parts.password is not None:
        raise _unwelcome(url, "holds a password, which would be stored and shown in clear", of_password=True)
    if not _HOST.fullmatch(host) or (at[0] and not _USER.fullmatch(at[0])):
        raise _unwelcome(url, "names no host, or a host or user that could be taken for an option")
    if parts.path in ("", "/") or parts.path.startswith(("/-", "/~-")):
        raise _unwelcome(url, "names no repository of that host")
    return Address(url, parts.scheme, at[0], f"{parts.scheme}://{host}{port}")


def _file(url: str, allowed: bool) -> Address:
    if not allowed:
        raise _unwelcome(url, "is a folder of this machine, and the server's own files are not served")
    if not url.startswith("file:///"):
        raise _unwelcome(url, "names no folder: file:// and an absolute path")
    return Address(url, "file")


def _unwelcome(url: str, why: str, *, of_password: bool = False) -> UnwelcomeAddress:
    # A password must not come back in a message that is logged.
    shown = re.sub(r"//[^/@]*@", "//***@", url) if of_password else url
    hint = (
        "leave it out and give the token by itself"
        if of_password
        else "like https://github.com/team/shop or git@github.com:team/shop.git"
    )
    return UnwelcomeAddress(f"the address {shown[:200]!r} {why}", hint=hint)
