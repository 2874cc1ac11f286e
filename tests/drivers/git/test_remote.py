"""Repositories elsewhere: real ones over HTTP, SSH, git's own protocol and files, and those that fail each in their way."""

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.drivers.git.addresses import UnwelcomeAddress, check_url
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.remote import (
    Credentials,
    RemoteGone,
    RemoteRefused,
    RemoteTooLarge,
    RemoteUnreachable,
    RemoteUnsafe,
    fetch,
    list_refs,
)
from tests.support.git_server import GitServer, serving_git
from tests.support.repositories import ENVIRONMENT, Repository
from tests.support.servers import serving

NOBODY = Credentials()


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return create_bare(tmp_path / "rep-1.git", "main", ENVIRONMENT)


@pytest.fixture
def away(tmp_path: Path) -> Repository:
    """The repository elsewhere."""
    return Repository(tmp_path / "away")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with serving_git(GitServer(tmp_path / "forge")) as server:
        yield server


def bring(bare: Bare, away: Repository | str, *refs: str, prune: bool = False) -> tuple[str, ...]:
    url = away if isinstance(away, str) else str(away.folder)
    return fetch(bare.folder, url, refs, NOBODY, ENVIRONMENT, prune=prune, seconds=20)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/team/shop",
        "https://github.com/team/shop.git",
        "http://git.example:3000/team/shop",
        "https://me@git.example/shop",
        "https://[::1]:3000/shop",
        "ssh://git@git.example:2222/team/shop.git",
        "git@github.com:team/shop.git",
        "git.example:shop",
        "git://git.example/shop",
    ],
)
def test_addresses_that_are_fetched_from(url: str) -> None:
    assert check_url(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c 'touch pwned'",
        "ext::sh",
        "fd::17",
        "transport::https://x/y",
        "--upload-pack=touch pwned",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=touch/x",
        "ssh://me@-oProxyCommand=touch/x",
        "ssh://-x@host/x",
        "-x@host:path",
        "host:-x",
        "host:--upload-pack=x",
        "ssh://host/-x",
        "https://github.com",
        "https:///shop",
        "https://me:secret-token@github.com/shop",
        "https://x:99999999/shop",
        "https://a b/shop",
        "https://host/sho\np",
        "https://host/\x1b[31m",
        "ftp://host/shop",
        "file:///srv/shop",
        "/srv/shop",
        "../shop",
        "shop",
        "https://host/" + "a" * 2048,
    ],
)
def test_addresses_that_are_turned_away_at_the_door(url: str) -> None:
    with pytest.raises(UnwelcomeAddress) as caught:
        check_url(url)
    assert "secret-token" not in caught.value.message


def test_files_are_let_in_where_the_caller_wants_them() -> None:
    assert check_url("file:///srv/shop", allow_files=True).protocols == "file"
    assert check_url("/srv/shop", allow_files=True).protocols == "file"
    for url in ("file://host/shop", "ext::sh", "-x"):
        with pytest.raises(UnwelcomeAddress):
            check_url(url, allow_files=True)


def test_refs_are_listed_with_the_default_branch(away: Repository) -> None:
    first = away.commit({"a": "1"})
    away.git("tag", "-a", "v1", "-m", "v1")
    away.git("branch", "team/x")
    away.git("update-ref", "refs/pull/7/head", first)
    second = away.commit({"a": "2"})
    found = list_refs(str(away.folder), NOBODY, ENVIRONMENT)
    assert found.default_branch == "main"
    assert found.refs == {"refs/heads/main": second, "refs/heads/team/x": first, "refs/tags/v1": first}
    assert list_refs(f"file://{away.folder}", NOBODY, ENVIRONMENT) == found


def test_an_empty_repository_has_none(away: Repository) -> None:
    assert list_refs(str(away.folder), NOBODY, ENVIRONMENT).refs == {}


def test_only_what_is_wanted_comes_and_under_its_own_name(bare: Bare, away: Repository) -> None:
    sha = away.commit({"a": "1"})
    away.git("tag", "v1")
    away.git("branch", "other")
    for ref in ("refs/pull/7/head", "refs/merge-requests/8/head"):
        away.git("update-ref", ref, sha)
    assert bring(bare, away, "refs/heads/main", "refs/pull/7/head", "refs/merge-requests/8/head") == ()
    assert bare.refs("refs") == {
        "refs/heads/main": sha,
        "refs/merge-requests/8/head": sha,
        "refs/pull/7/head": sha,
    }
    assert not (bare.folder / "FETCH_HEAD").exists()
    assert "away" not in (bare.folder / "config").read_text()


def test_a_branch_that_was_forced_elsewhere_follows(bare: Bare, away: Repository) -> None:
    away.commit({"a": "1"})
    away.commit({"a": "2"})
    bring(bare, away, "refs/heads/main")
    away.git("commit", "--quiet", "--amend", "-m", "Again")
    bring(bare, away, "refs/heads/main")
    assert bare.refs() == {"refs/heads/main": away.git("rev-parse", "HEAD")}


def test_what_is_gone_is_named_and_the_rest_comes(bare: Bare, away: Repository) -> None:
    sha = away.commit({"a": "1"})
    assert bring(bare, away, "refs/heads/gone", "refs/heads/main", "refs/pull/1/head") == (
        "refs/heads/gone",
        "refs/pull/1/head",
    )
    assert bare.refs() == {"refs/heads/main": sha}
    assert bring(bare, away, "refs/heads/gone") == ("refs/heads/gone",)
    assert bring(bare, away) == ()


def test_pruning_takes_what_is_gone_there_and_nothing_of_ours(bare: Bare, away: Repository) -> None:
    sha = away.commit({"a": "1"})
    away.git("branch", "old")
    bring(bare, away, "refs/heads/*")
    bare.keep("releases/rel-1", sha)
    away.git("branch", "-D", "old")
    bring(bare, away, "refs/heads/*")
    assert "refs/heads/old" in bare.refs()
    bring(bare, away, "refs/heads/*", prune=True)
    assert list(bare.refs("refs")) == ["refs/heads/main", "refs/headway/releases/rel-1"]


@pytest.mark.parametrize(("old", "new"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
def test_a_branch_may_become_a_folder_of_branches(bare: Bare, away: Repository, old: str, new: str) -> None:
    away.commit({"a": "1"})
    away.git("branch", old)
    bring(bare, away, f"refs/heads/{old}", "refs/heads/main")
    away.git("branch", "-D", old)
    away.git("branch", new)
    bring(bare, away, f"refs/heads/{new}")
    assert sorted(bare.refs()) == [f"refs/heads/{new}", "refs/heads/main"]


@pytest.mark.parametrize(
    "ref", ["main", "-x", "refs/headway/x", "refs/heads/a:refs/heads/b", "refs/heads/a\nb"]
)
def test_what_is_no_whole_name_is_not_fetched(bare: Bare, away: Repository, ref: str) -> None:
    away.commit({"a": "1"})
    with pytest.raises(WrongUse):
        bring(bare, away, ref)
    assert bare.refs("refs") == {}


def test_a_tree_that_would_write_into_dot_git_does_not_come(bare: Bare, away: Repository) -> None:
    away.commit({"x": "evil"})
    raw = b"100644 .git\0" + bytes.fromhex(away.git("rev-parse", "HEAD:x"))
    question = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    made = subprocess.run(
        question, input=raw, check=True, cwd=away.folder, env=ENVIRONMENT, capture_output=True
    )
    away.git(
        "update-ref", "refs/heads/main", away.git("commit-tree", made.stdout.decode().strip(), "-m", "x")
    )
    with pytest.raises(RemoteUnsafe):
        bring(bare, away, "refs/heads/main")
    assert bare.refs() == {}


def test_old_honest_faults_are_let_in(bare: Bare, away: Repository) -> None:
    tree = away.git("rev-parse", away.commit({"a": "1"}) + "^{tree}")
    text = f"tree {tree}\nauthor A <a@b> 1200000000 +051800\ncommitter A <a@b> 1200000000 +0000\n\nold\n"
    question = ["git", "hash-object", "-t", "commit", "-w", "--literally", "--stdin"]
    made = subprocess.run(
        question, input=text.encode(), check=True, cwd=away.folder, env=ENVIRONMENT, capture_output=True
    )
    away.git("update-ref", "refs/heads/main", made.stdout.decode().strip())
    bring(bare, away, "refs/heads/main")
    assert len(bare.refs()) == 1


def test_of_ten_thousand_branches_come_those_that_were_asked_for(bare: Bare, away: Repository) -> None:
    sha = away.commit({"a": "1"})
    lines = sorted(f"{sha} refs/heads/b/{number}\n" for number in range(10_000))
    (away.folder / ".git/packed-refs").write_text("# pack-refs with: sorted \n" + "".join(lines))
    assert len(list_refs(str(away.folder), NOBODY, ENVIRONMENT).refs) == 10_001
    bring(bare, away, "refs/heads/main", "refs/heads/b/7")
    assert len(bare.refs()) == 2


def test_many_fetches_at_once_into_one_folder_wait_for_one_another(bare: Bare, away: Repository) -> None:
    away.commit({"a": "1"})
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            bring(bare, away, f"refs/heads/b{number}", "refs/heads/main")
        except BaseException as fault:
            faults.append(fault)

    for number in range(8):
        away.git("branch", f"b{number}")
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and len(bare.refs()) == 9


# Over HTTP


async def test_a_token_opens_and_its_lack_or_fault_does_not(
    server: GitServer, bare: Bare, away: Repository
) -> None:
    sha = away.commit({"a": "1"})
    away.git("push", "--quiet", str(server.bare.folder), "main")
    url = server.url("")
    good = Credentials(token="carl-token")
    assert (await asyncio.to_thread(list_refs, url, good, ENVIRONMENT)).refs == {"refs/heads/main": sha}
    await asyncio.to_thread(fetch, bare.folder, url, ["refs/heads/main"], good, ENVIRONMENT)
    assert bare.refs() == {"refs/heads/main": sha}
    for bad in (NOBODY, Credentials(token="wrong"), Credentials(token="two\nlines")):
        with pytest.raises(RemoteRefused) as caught:
            await asyncio.to_thread(list_refs, url, bad, ENVIRONMENT)
        assert "wrong" not in caught.value.message
    with pytest.raises(RemoteGone):
        await asyncio.to_thread(list_refs, server.url("", "no/such"), good, ENVIRONMENT)
    assert "token" not in "".join(path.read_text() for path in bare.folder.glob("config*"))


async def test_the_token_is_in_no_command_line(tmp_path: Path) -> None:
    seen: list[str] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"authorization" not in head.lower():
            writer.write(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.append(entry.read_text())
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with serving(slow) as port:
        url = f"http://127.0.0.1:{port}/shop"
        with pytest.raises(RemoteRefused):
            await asyncio.to_thread(list_refs, url, Credentials(token="s3cret-t0ken"), ENVIRONMENT)
    assert any("ls-remote" in words for words in seen)
    assert not any("s3cret-t0ken" in words for words in seen)


async def test_a_redirect_does_not_carry_the_token_to_another_host() -> None:
    heads: list[bytes] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with serving(stranger) as elsewhere:

        async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"authorization" not in head.lower():
                writer.write(
                    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
                )
            else:
                to = f"http://localhost:{elsewhere}/shop/info/refs?service=git-upload-pack"
                writer.write(f"HTTP/1.1 302 There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        async with serving(forge) as port:
            with pytest.raises(RemoteRefused):
                await asyncio.to_thread(
                    list_refs, f"http://127.0.0.1:{port}/shop", Credentials(token="s3cret"), ENVIRONMENT
                )
    assert heads and not any(b"uthorization" in head for head in heads)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", RemoteRefused),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", RemoteGone),
        (b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", RemoteUnreachable),
        (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", RemoteUnreachable),
        (b"", RemoteUnreachable),
    ],
)
async def test_a_forge_that_fails_is_told_apart(answer: bytes, error: type[Exception]) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with serving(handler) as port:
        with pytest.raises(error):
            await asyncio.to_thread(list_refs, f"http://127.0.0.1:{port}/shop", NOBODY, ENVIRONMENT)


async def test_one_that_never_answers_is_not_waited_for(bare: Bare) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        url = f"http://127.0.0.1:{port}/shop"

        def ask() -> None:
            fetch(bare.folder, url, ["refs/heads/main"], NOBODY, ENVIRONMENT, seconds=0.3)

        with pytest.raises(RemoteUnreachable, match="did not answer within"):
            await asyncio.to_thread(ask)


def test_a_host_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/shop", f"git://127.0.0.1:{port}/shop"):
        with pytest.raises(RemoteUnreachable):
            list_refs(url, NOBODY, ENVIRONMENT, seconds=20)


def test_a_folder_that_is_no_repository_is_gone(tmp_path: Path) -> None:
    for url in (f"{tmp_path}/nothing", f"file://{tmp_path}"):
        with pytest.raises(RemoteGone):
            list_refs(url, NOBODY, ENVIRONMENT)


# Over SSH and git's own protocol


@pytest.fixture
def ssh(tmp_path: Path) -> Callable[[], list[str]]:
    """A stand-in for ssh, which does on this machine what it was to do on the other one; what it was called with."""
    (tmp_path / "bin").mkdir()
    log = tmp_path / "ssh.log"
    script = f"""#!/bin/sh
printf '%s\\n' "$@" >{log}
while [ $# -gt 0 ]; do
    case $1 in -i) stat -c '%a' "$2" >>{log}; cat "$2" >>{log}; shift 2 ;; -o) shift 2 ;; -*) shift ;; *) break ;; esac
done
case $1 in *refused*) echo 'me@refused: Permission denied (publickey).' >&2; exit 255 ;; esac
case $1 in *unknown*) echo 'Host key verification failed.' >&2; exit 255 ;; esac
shift; exec sh -c "$*"
"""
    (tmp_path / "bin/ssh").write_text(script)
    (tmp_path / "bin/ssh").chmod(0o755)
    return lambda: log.read_text().splitlines()


def test_a_key_is_given_to_ssh_and_gone_afterwards(
    ssh: Callable[[], list[str]], away: Repository, tmp_path: Path
) -> None:
    sha = away.commit({"a": "1"})
    environment = {**ENVIRONMENT, "PATH": f"{tmp_path}/bin:{ENVIRONMENT['PATH']}"}
    key = Credentials(ssh_key="-----BEGIN KEY-----\nabc\n-----END KEY-----")
    assert list_refs(f"git@host:{away.folder}", key, environment).refs == {"refs/heads/main": sha}
    words = ssh()
    assert "-oBatchMode=yes" in words and "git@host" in words
    assert words[-4:] == ["600", "-----BEGIN KEY-----", "abc", "-----END KEY-----"]
    assert not Path(words[words.index("-i") + 1]).exists()
    assert list_refs(f"ssh://me@host{away.folder}", NOBODY, environment).default_branch == "main"
    assert "-i" not in ssh()
    with pytest.raises(RemoteRefused):
        list_refs("git@refused:shop", NOBODY, environment)
    with pytest.raises(RemoteUnreachable, match="Host key"):
        list_refs("git@unknown:shop", NOBODY, environment)
    with pytest.raises(RemoteGone):
        list_refs(f"git@host:{tmp_path}/none", NOBODY, environment)


def test_gits_own_protocol(away: Repository, tmp_path: Path) -> None:
    sha = away.commit({"a": "1"})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        "git",
        "daemon",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--export-all",
        f"--base-path={tmp_path}",
    ]
    daemon = subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.DEVNULL, process_group=0)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        url = f"git://127.0.0.1:{port}/away/.git"
        assert list_refs(url, NOBODY, ENVIRONMENT, seconds=20).refs == {"refs/heads/main": sha}
        with pytest.raises(RemoteGone):
            list_refs(f"git://127.0.0.1:{port}/none", NOBODY, ENVIRONMENT, seconds=20)
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()


def test_what_a_stranger_sends_is_bounded_and_nothing_of_it_stays(bare: Bare, away: Repository) -> None:
    away.commit({"a": "1"})
    bring(bare, away, "refs/heads/main")
    packs = set((bare.folder / "objects/pack").iterdir())
    large = away.commit({"large": os.urandom(3_000_000)})
    away.git("update-ref", "refs/pull/7/head", large)
    url = f"file://{away.folder}"
    with pytest.raises(RemoteTooLarge, match=r"sends more than 1 MiB for refs/pull/7/head"):
        fetch(bare.folder, url, ["refs/pull/7/head"], NOBODY, ENVIRONMENT, most=2**20)
    assert set((bare.folder / "objects/pack").iterdir()) == packs
    assert not bare.has_commit(large)
    fetch(bare.folder, url, ["refs/pull/7/head"], NOBODY, ENVIRONMENT, most=2**22)
    assert bare.has_commit(large)
