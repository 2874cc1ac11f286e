"""From a clone address to the forge's API: `git@github.com:team/shop.git` is `team/shop` at https://api.github.com."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from headway.base.errors import WrongUse
from headway.domain.intake import ForgeKind

#: Hosts whose kind is known. A self-hosted forge is named by whoever adds the repository.
_KNOWN = {
    "github.com": ForgeKind.GITHUB,
    "gitlab.com": ForgeKind.GITLAB,
    "codeberg.org": ForgeKind.GITEA,
    "gitea.com": ForgeKind.GITEA,
}
_SHORT_FORM = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)")
_SEGMENT = re.compile(r"(?!\.{1,2}$)[\w.][\w.+-]*")
_LIMIT = 2000


class ForgeAddressWrong(WrongUse):
    """No forge's API can be told from this address."""


@dataclass(frozen=True, slots=True)
class ForgeAddress:
    forge: ForgeKind
    #: Without a slash at the end: `https://api.github.com`, `https://git.example.org/api/v1`.
    api: str
    #: `team/shop`; at GitLab also of groups in groups.
    full_name: str
    #: For people.
    web_url: str


def kind_of(url: str) -> ForgeKind | None:
    """What kind of forge stands behind a well-known host; None for any other."""
    try:
        return _KNOWN.get(_split(url)[1].lower())
    except ForgeAddressWrong:
        return None


def forge_address(url: str, forge: ForgeKind | None = None) -> ForgeAddress:
    """`url` is what git clones from: https, http, ssh or `git@host:team/shop.git`. `forge` is for self-hosted ones.

    A forge reached by ssh is asked by https on its usual port. Raises ForgeAddressWrong.
    """
    scheme, host, place, path = _split(url)
    kind = forge or _KNOWN.get(host.lower())
    if kind not in (ForgeKind.GITHUB, ForgeKind.GITLAB, ForgeKind.GITEA):
        raise ForgeAddressWrong(
            f"'{host}' is no forge that Headway knows by name",
            hint="say which it is: github, gitlab or gitea",
        )
    segments = [segment for segment in path.removesuffix("/").removesuffix(".git").split("/") if segment]
    if len(segments) < 2 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ForgeAddressWrong(
            f"the address at '{host}' does not end in OWNER/REPOSITORY",
            hint="take the address that git clones from",
        )
    base = f"{scheme}://{place}"
    match kind:
        case ForgeKind.GITHUB:
            full_name = "/".join(segments[-2:])
            api = "https://api.github.com" if host.lower() == "github.com" else f"{base}/api/v3"
        case ForgeKind.GITLAB:
            # Groups lie in groups, so a GitLab below a path can't be told from one; it has to have its own host.
            full_name = "/".join(segments)
            api = f"{base}/api/v4"
        case _:
            full_name = "/".join(segments[-2:])
            base = "/".join([base, *segments[:-2]])
            api = f"{base}/api/v1"
    return ForgeAddress(kind, api, full_name, f"{base}/{quote(full_name)}")


def _split(url: str) -> tuple[str, str, str, str]:
    """Scheme of the API, host, host with its port, path. A name or password in the address goes no further."""
    if len(url) > _LIMIT or not url.isprintable():
        raise ForgeAddressWrong("this is no address that git could clone from")
    if "://" not in url:
        short = _SHORT_FORM.fullmatch(url)
        if short is None:
            raise ForgeAddressWrong(
                "this is no address of a forge", hint="write https://HOST/OWNER/REPOSITORY"
            )
        return "https", short[1], short[1], short[2]
    parts, port = _parts(url)
    if parts.query or parts.fragment:
        raise ForgeAddressWrong(
            "the address goes on after the repository", hint="leave out what follows ? or #"
        )
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http", "ssh", "git+ssh") or not re.fullmatch(r"[\w.:-]+", host):
        raise ForgeAddressWrong("this is no address of a forge", hint="write https://HOST/OWNER/REPOSITORY")
    place = f"[{host}]" if ":" in host else host
    if parts.scheme in ("ssh", "git+ssh"):
        # Its port is that of sshd.
        return "https", host, place, parts.path
    return parts.scheme, host, f"{place}:{port}" if port else place, parts.path


def _parts(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as error:
        raise ForgeAddressWrong("this is no address of a forge: its host or port can't be read") from error
