"""Real git clients against the app on uvicorn: clone, fetch and push, and what those get who may not or go wrong."""

import asyncio
import base64
import gzip
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from headway.drivers.git.hosting import HostingLimits
from headway.drivers.git.received import received
from tests.support.git_server import LINK, GitServer, git, processes_about, serving_git, start_git, zombies
from tests.support.repositories import Repository

PUSH, FETCH = "application/x-git-receive-pack-request", "application/x-git-upload-pack-request"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with serving_git(GitServer(tmp_path / "repositories")) as server:
        yield server


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "shop")
    repository.git("config", "core.compression", "0")
    repository.commit({"headway.toml": "contract = 1\n"})
    return repository


def notes(server: GitServer) -> list[tuple[str, str | None, str | None, str]]:
    return [
        (note.sender, line.old, line.new, line.ref)
        for note in received(server.bare.folder)
        for line in note.lines
    ]


async def quiet(server: GitServer) -> None:
    """Waits until no git works for the server any more; fails after five seconds."""
    async with asyncio.timeout(5):
        while processes_about(server.bare.folder) or zombies():
            await asyncio.sleep(0.02)


async def test_a_push_is_stored_noted_and_answered_with_a_link(
    server: GitServer, repository: Repository
) -> None:
    first = repository.git("rev-parse", "HEAD")
    done = await git(repository.folder, "push", server.url(), "main")
    assert done.code == 0, done.complaint
    assert f"remote: headway: main: {LINK}{first}" in done.complaint
    second = repository.commit({"a": "2"})
    repository.git("tag", "-a", "v1", "-m", "v1")
    assert (await git(repository.folder, "push", server.url(), "main", "v1")).code == 0
    tag = repository.git("rev-parse", "v1")
    assert notes(server) == [
        ("ana", None, first, "refs/heads/main"),
        ("ana", first, second, "refs/heads/main"),
        ("ana", None, tag, "refs/tags/v1"),
    ]
    assert server.bare.refs() == {"refs/heads/main": second, "refs/tags/v1": second}
    assert server.pushed == ["rep-1", "rep-1"]
    assert not zombies()


@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_clone_and_fetch_in_every_protocol(
    server: GitServer, repository: Repository, tmp_path: Path, version: str
) -> None:
    speak = ("-c", f"protocol.version={version}")
    await git(repository.folder, *speak, "push", server.url(), "main")
    done = await git(tmp_path, *speak, "clone", "--quiet", server.url("carl-token"), "clone")
    assert done.code == 0, done.complaint
    new = repository.commit({"b": "new"})
    await git(repository.folder, *speak, "push", server.url(), "main")
    assert (await git(tmp_path / "clone", *speak, "pull", "--quiet")).code == 0
    assert (await git(tmp_path / "clone", "rev-parse", "HEAD")).output.strip() == new
    options = ("--quiet", "--depth=1", *(["--filter=blob:none"] if version == "2" else []))
    assert (await git(tmp_path, *speak, "clone", *options, server.url(), "shallow")).code == 0


async def test_force_push_and_deleting_a_branch(server: GitServer, repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    second = repository.commit({"a": "2"})
    await git(repository.folder, "push", server.url(), "main", "main:side")
    repository.git("reset", "--quiet", "--hard", first)
    assert (await git(repository.folder, "push", server.url(), "main")).code != 0
    assert (await git(repository.folder, "push", "--force", server.url(), "main", ":side")).code == 0
    assert server.bare.refs() == {"refs/heads/main": first}
    assert notes(server)[2:] == [
        ("ana", second, first, "refs/heads/main"),
        ("ana", second, None, "refs/heads/side"),
    ]
    refused = await git(repository.folder, "push", server.url(), ":main")
    assert refused.code != 0 and "deletion of the current branch prohibited" in refused.complaint


async def test_many_push_at_once_and_each_is_noted(server: GitServer, tmp_path: Path) -> None:
    async def push(number: int) -> None:
        repository = Repository(tmp_path / f"r{number}")
        repository.commit({"a": str(number)})
        done = await git(repository.folder, "push", server.url(), f"main:branch-{number}")
        assert done.code == 0, done.complaint

    await asyncio.gather(*(push(number) for number in range(12)))
    assert len(server.bare.refs()) == 12
    assert sorted(ref for _, _, _, ref in notes(server)) == sorted(server.bare.refs())


async def test_of_two_pushes_to_one_branch_one_wins(server: GitServer, tmp_path: Path) -> None:
    repositories = [Repository(tmp_path / f"r{number}") for number in range(4)]
    shas = [repository.commit({"a": str(number)}) for number, repository in enumerate(repositories)]
    done = await asyncio.gather(*(git(one.folder, "push", server.url(), "main") for one in repositories))
    won = [sha for sha, one in zip(shas, done, strict=True) if one.code == 0]
    assert [server.bare.refs()["refs/heads/main"]] == won
    assert [new for _, _, new, _ in notes(server)] == won


@pytest.mark.parametrize("token", ["", "wrong", "ana-token "])
async def test_who_has_no_token_learns_nothing(server: GitServer, repository: Repository, token: str) -> None:
    for name in ("team/shop", "no/such"):
        url = server.url("", name) + "/info/refs?service=git-upload-pack"
        async with httpx.AsyncClient() as client:
            answer = await client.get(url, auth=("me", token) if token else None)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert "shop" not in answer.text
    done = await git(repository.folder, "push", server.url(token.strip() + "x"), "main")
    assert done.code != 0 and "Authentication failed" in done.complaint
    assert server.bare.refs() == {} and server.pushed == []


async def test_who_may_read_may_not_push(server: GitServer, repository: Repository) -> None:
    done = await git(repository.folder, "push", server.url("carl-token"), "main")
    assert done.code != 0 and "403" in done.complaint
    assert server.bare.refs() == {}


async def test_a_copy_of_another_repository_takes_no_push(server: GitServer, repository: Repository) -> None:
    await git(repository.folder, "push", server.url(), "main")
    server.elsewhere = "https://github.com/team/shop"
    done = await git(repository.folder, "push", server.url(), "main:x")
    assert done.code != 0 and "push to https://github.com/team/shop" in done.complaint
    assert (await git(repository.folder, "ls-remote", server.url())).code == 0


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "says"),
    [
        ("GET", "/git/shop.git/info/refs", {}, 403, "smart HTTP"),
        ("GET", "/git/shop.git/HEAD", {}, 403, "smart HTTP"),
        ("GET", "/git/shop.git/objects/info/packs", {}, 403, "smart HTTP"),
        ("GET", "/git/shop.git/config", {}, 404, "nothing here"),
        ("GET", "/git/shop.git/", {}, 404, "nothing here"),
        ("GET", "/git/shop/info/refs?service=git-upload-pack", {}, 404, "/git/shop.git"),
        ("GET", "/git/none.git/info/refs?service=git-upload-pack", {}, 404, "no repository none"),
        ("GET", "/git/a/b/c.git/info/refs?service=git-upload-pack", {}, 404, "nothing here"),
        ("GET", "/git/..%2f..%2fetc.git/info/refs?service=git-upload-pack", {}, 404, "nothing here"),
        ("GET", "/git/shop.git/info/refs?service=git-upload-archive", {}, 403, "smart HTTP"),
        ("POST", "/git/shop.git/info/refs?service=git-upload-pack", {}, 405, "GET only"),
        ("GET", "/git/shop.git/git-upload-pack", {}, 405, "POST only"),
        (
            "POST",
            "/git/shop.git/git-receive-pack",
            {"content-type": "text/plain"},
            415,
            "receive-pack-request",
        ),
        (
            "POST",
            "/git/shop.git/git-upload-pack",
            {"content-type": FETCH, "content-encoding": "br"},
            415,
            "gzip",
        ),
        ("POST", "/git/shop.git/git-upload-archive", {}, 403, "archives"),
        ("POST", "/git/shop.git/info/lfs/objects/batch", {}, 501, "LFS"),
        ("GET", "/git/broken.git/info/refs?service=git-upload-pack", {}, 500, "log says why"),
    ],
)
async def test_what_cannot_be_done_is_said_clearly(
    server: GitServer, method: str, path: str, headers: dict[str, str], status: int, says: str
) -> None:
    async with httpx.AsyncClient(auth=("me", "ana-token")) as client:
        answer = await client.request(method, f"http://127.0.0.1:{server.port}{path}", headers=headers)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert answer.headers["cache-control"].startswith("no-cache")
    assert str(server.folder) not in answer.text


@pytest.mark.parametrize(
    ("content_type", "body", "zipped"),
    [
        (PUSH, b"0123 nonsense", False),
        (FETCH, b"zzzz", False),
        (FETCH, b"\0" * 100, False),
        (FETCH, b"no gzip at all", True),
        (FETCH, gzip.compress(b"0" * 1000, mtime=0)[:-9], True),
    ],
)
async def test_garbled_bodies_are_bad_requests(
    server: GitServer, content_type: str, body: bytes, zipped: bool
) -> None:
    service = content_type.removeprefix("application/x-").removesuffix("-request")
    headers = {"content-type": content_type} | ({"content-encoding": "gzip"} if zipped else {})
    async with httpx.AsyncClient(auth=("me", "ana-token")) as client:
        answer = await client.post(f"{server.url('')}/{service}", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    await quiet(server)


async def test_a_gzip_bomb_is_cut_off(tmp_path: Path) -> None:
    async with serving_git(GitServer(tmp_path / "small", HostingLimits(push_bytes=1_000_000))) as server:
        line = f"{'0' * 40} {'1' * 40} refs/heads/x"
        bomb = gzip.compress(f"{len(line) + 4:04x}{line}".encode() * 200_000)
        assert len(bomb) < 100_000
        headers = {"content-type": PUSH, "content-encoding": "gzip"}
        async with httpx.AsyncClient(auth=("me", "ana-token")) as client:
            answer = await client.post(f"{server.url('')}/git-receive-pack", content=bomb, headers=headers)
        assert answer.status_code == 413
        await quiet(server)


@pytest.mark.slow
async def test_fifty_megabytes_come_through(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    content = os.urandom(50_000_000)
    sha = repository.commit({"large": content})
    done = await git(repository.folder, "push", server.url(), "main")
    assert done.code == 0, done.complaint
    assert server.bare.refs() == {"refs/heads/main": sha}
    assert (await git(tmp_path, "clone", "--quiet", server.url(), "clone")).code == 0
    assert (tmp_path / "clone/large").read_bytes() == content


async def test_a_push_that_is_too_large_is_refused_and_leaves_nothing(
    tmp_path: Path, repository: Repository
) -> None:
    async with serving_git(GitServer(tmp_path / "small", HostingLimits(push_bytes=2_000_000))) as server:
        repository.commit({"large": os.urandom(6_000_000)})
        for post_buffer in (
            "http.postBuffer=1000000",
            "http.postBuffer=20000000",
        ):  # chunked, and all at once
            done = await git(repository.folder, "-c", post_buffer, "push", server.url(), "main")
            assert done.code != 0 and "413" in done.complaint
        await quiet(server)
        assert server.bare.refs() == {}
        assert not list((server.bare.folder / "objects").glob("*incoming*"))


async def test_a_body_that_stops_coming_is_not_waited_for(tmp_path: Path) -> None:
    async with serving_git(GitServer(tmp_path / "slow", HostingLimits(idle_seconds=0.2))) as server:
        token = base64.b64encode(b"me:ana-token").decode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = [
            "POST /git/shop.git/git-receive-pack HTTP/1.1",
            "Host: x",
            f"Authorization: Basic {token}",
            f"Content-Type: {PUSH}",
            "Content-Length: 1000",
        ]
        writer.write("\r\n".join([*head, "", "00"]).encode())
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 60)
        writer.close()
        await quiet(server)


async def test_a_pusher_that_is_killed_midway_leaves_nothing(
    server: GitServer, repository: Repository
) -> None:
    repository.commit({"large": os.urandom(15_000_000)})
    process = await start_git(repository.folder, "push", server.url(), "main")
    async with asyncio.timeout(20):
        while not any(
            "receive-pack --stateless-rpc /" in words for words in processes_about(server.bare.folder)
        ):
            await asyncio.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()
    await quiet(server)
    assert server.bare.refs() == {} and received(server.bare.folder) == []
    assert not list((server.bare.folder / "objects").glob("*incoming*"))
    assert (await git(repository.folder, "push", server.url(), "main")).code == 0


@pytest.mark.slow
async def test_a_cloner_that_leaves_ends_its_git(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"large": os.urandom(15_000_000)})
    await git(repository.folder, "push", server.url(), "main")
    process = await start_git(tmp_path, "clone", "--quiet", server.url(), "clone")
    async with asyncio.timeout(20):
        while not any(
            "upload-pack --stateless-rpc /" in words for words in processes_about(server.bare.folder)
        ):
            await asyncio.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()
    await quiet(server)


async def test_hostile_names_are_only_names(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    names: list[str | bytes] = [
        "$(touch pwned)",
        "`touch pwned`",
        "a;touch pwned",
        "-rf",
        "<script>alert(1)</script>",
        "line\nbreak",
        "\x1b[31mred",
        b"caf\xe9",
        "a" * 255,
    ]
    sha = repository.commit(dict.fromkeys(names, "x"))
    refs = [
        "main",
        "main:refs/heads/$(touch${IFS}pwned)",
        "main:refs/heads/`id`",
        "main:refs/heads/<b>'\";&|",
    ]
    done = await git(repository.folder, "push", server.url(), *refs)
    assert done.code == 0, done.complaint
    assert set(server.bare.refs().values()) == {sha} and len(server.bare.refs()) == 4
    assert len(notes(server)) == 4
    assert not list(tmp_path.rglob("pwned"))
    await git(tmp_path, "clone", "--quiet", server.url(), "clone")
    assert len(os.listdir(os.fsencode(tmp_path / "clone"))) == len(names) + 2


async def test_refs_of_our_own_are_hidden(server: GitServer, repository: Repository) -> None:
    await git(repository.folder, "push", server.url(), "main")
    server.bare.keep("tries/try-1", repository.git("rev-parse", "HEAD"))
    assert "headway" not in (await git(repository.folder, "ls-remote", server.url())).output
    for ref in ("main:refs/headway/x", ":refs/headway/tries/try-1"):
        done = await git(repository.folder, "push", server.url(), ref)
        assert done.code != 0 and "hidden ref" in done.complaint
    assert len(server.bare.refs("refs/headway")) == 1


async def test_ten_thousand_branches(server: GitServer, repository: Repository, tmp_path: Path) -> None:
    """The server's part; to push 10,000 branches at once takes a client half a minute and the server five seconds."""
    await git(repository.folder, "push", "--quiet", server.url(), "main")
    sha = repository.git("rev-parse", "HEAD")
    lines = sorted(f"{sha} refs/heads/b/{number}\n" for number in range(10_000))
    (server.bare.folder / "packed-refs").write_text("# pack-refs with: sorted \n" + "".join(lines))
    listed = await git(repository.folder, "ls-remote", server.url())
    assert len(listed.output.splitlines()) == 10_002
    new = repository.commit({"a": "2"})
    assert (await git(repository.folder, "push", "--quiet", server.url(), "main")).code == 0
    clone = await git(tmp_path, "clone", "--quiet", "--single-branch", server.url(), "clone")
    assert clone.code == 0
    assert notes(server)[-1] == ("ana", sha, new, "refs/heads/main")


async def test_a_push_of_many_branches_is_one_note_and_few_links(
    server: GitServer, repository: Repository
) -> None:
    refs = [f"main:refs/heads/b{number}" for number in range(500)]
    done = await git(repository.folder, "push", "--quiet", server.url(), *refs)
    assert done.code == 0
    assert done.complaint.count(LINK) == 5 and "and 495 more branches" in done.complaint
    assert [len(note.lines) for note in received(server.bare.folder)] == [500]


async def test_a_long_question_comes_zipped(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """git zips a question above a kilobyte: here forty branches, each with a commit of its own."""
    own = "for n in $(seq 40); do git update-ref refs/heads/b$n $(git commit-tree -m $n HEAD^{tree}); done"
    repository.git("-c", f"alias.own=!{own}", "own")
    assert (await git(repository.folder, "push", "--quiet", "--all", server.url())).code == 0
    traced = await git(tmp_path, "clone", "--quiet", server.url(), "clone", GIT_TRACE_CURL="1")
    assert traced.code == 0
    assert "Content-Encoding: gzip" in traced.complaint
