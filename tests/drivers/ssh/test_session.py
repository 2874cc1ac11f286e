"""Calls through one open shell, and commands on channels of their own, on real OpenSSH: what they bring, and that they end."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headway.drivers.ssh import running
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut, ConnectionLost
from headway.drivers.ssh.session import Exit, HostSession
from tests.support.servers import serving
from tests.support.sshd import Sshd, needs_sshd, needs_terminals, start_sshd

pytestmark = needs_sshd
pipes_and_pty = pytest.mark.parametrize(
    "pty", [pytest.param(False, id="pipes"), pytest.param(True, id="pty", marks=needs_terminals)]
)


@pytest.fixture
async def session(sshd: Sshd) -> AsyncIterator[HostSession]:
    async with Connections(sshd.settings()) as connections:
        yield await connections.session(sshd.host())


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


async def pids_in(path: Path, count: int) -> list[int]:
    """The numbers that a script wrote, once they are all there."""
    for _ in range(300):
        found = path.read_text().split() if path.exists() else []
        if len(found) >= count:
            return [int(pid) for pid in found]
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} never held {count} pids")


async def run(session: HostSession, command: object, **options: object) -> tuple[Exit, bytes]:
    pieces: list[bytes] = []
    ended = await session.run(command, on_output=pieces.append, **options)  # type: ignore[arg-type]
    return ended, b"".join(pieces)


async def test_a_call_brings_exit_code_and_bytes(session: HostSession) -> None:
    reply = await session.call("printf 'a\\0\\377'; echo oops >&2; exit 7", timeout=60)
    assert (reply.exit_code, reply.output) == (7, b"a\0\xffoops\n")


async def test_hostile_words_and_names_come_through(session: HostSession, sshd: Sshd) -> None:
    name = os.fsdecode(b"bad \xff'name\n;id")
    (sshd.home / name).write_bytes(b"content")
    ended, output = await run(session, ["cat", name])
    assert ended.ok and output == b"content"
    words = ["; touch pwned", "$(touch pwned)", "`id`", "a'b\"c", "two\nlines", "☃", "", "-n", "*"]
    ended, output = await run(session, ["printf", "<%s>", *words])
    assert output.decode() == "".join(f"<{word}>" for word in words)
    assert not (sshd.home / "pwned").exists()


async def test_each_call_begins_anew_and_standard_input_is_empty(session: HostSession) -> None:
    await session.call("cd /; x=1; set -e; trap 'echo trapped' EXIT", timeout=60)
    reply = await session.call('cat; pwd; echo "${x-unset}"; false; echo on', timeout=60)
    assert reply.text.splitlines()[1:] == ["unset", "on"]
    assert not reply.text.startswith("/\n")


async def test_calls_are_one_shell(session: HostSession, sshd: Sshd) -> None:
    first = await session.call("echo $$", timeout=60)
    replies = await asyncio.gather(*(session.call(f"echo $$ {n}", timeout=60) for n in range(20)))
    assert [reply.text.split() for reply in replies] == [[first.text.strip(), str(n)] for n in range(20)]


async def test_an_output_is_capped_and_says_so(session: HostSession) -> None:
    reply = await session.call("echo head; yes | head -c 3000000; echo tail", timeout=20, limit=1000)
    assert reply.output.startswith(b"head\n") and reply.output.endswith(b"tail\n")
    # To whole lines: at most one at each edge is dropped with the middle.
    assert 0 <= reply.dropped - (3_000_010 - 1000) <= 4
    assert len(reply.output) < 1200


async def test_an_endless_output_ends_with_the_time_limit(session: HostSession) -> None:
    with pytest.raises(CommandTimedOut) as caught:
        await session.call("yes", timeout=0.4, limit=1000)
    assert len(caught.value.output) < 2000 and caught.value.output.startswith(b"y\ny\n")
    assert (await session.call("echo fine", timeout=60)).text == "fine\n"


#: Processes of every kind: the shell's own, its child, one in a group of its own, one that will not hear TERM.
STUBBORN = """
echo $$ >pids
sleep 61 & echo $! >>pids
timeout 62 sleep 63 & echo $! >>pids
sh -c 'trap "" TERM; echo $$ >>pids; while :; do sleep 1; done' &
sleep 64
"""


async def assert_all_end(sshd: Sshd, expected: int, start: Callable[[], asyncio.Task[object]]) -> None:
    task = start()
    pids = await pids_in(sshd.home / "pids", expected)
    assert all(alive(pid) for pid in pids)
    with pytest.raises(CommandTimedOut) as caught:
        await task
    assert caught.value.survivors == 0
    assert not any(alive(pid) for pid in pids)


async def test_what_answers_while_we_stand_still_is_not_taken_for_late(
    session: HostSession, standing_still: Callable[[float], None]
) -> None:
    call = asyncio.create_task(session.call("sleep 0.3; echo well", timeout=5))
    command = asyncio.create_task(run(session, "sleep 0.3; echo well", timeout=5))
    await asyncio.sleep(0.1)
    standing_still(37)
    assert (await call).output == b"well\n"
    assert (await command)[1] == b"well\n"


@pytest.mark.slow
async def test_a_call_that_times_out_is_ended_on_the_host(session: HostSession, sshd: Sshd) -> None:
    await assert_all_end(sshd, 4, lambda: asyncio.ensure_future(session.call(STUBBORN, timeout=0.6)))
    assert (await session.call("echo fine", timeout=60)).text == "fine\n"


@pipes_and_pty
@pytest.mark.slow
async def test_a_run_that_times_out_is_ended_on_the_host(session: HostSession, sshd: Sshd, pty: bool) -> None:
    await assert_all_end(sshd, 4, lambda: asyncio.ensure_future(run(session, STUBBORN, pty=pty, timeout=0.6)))


@pytest.mark.parametrize("way", ["call", "run"])
async def test_a_cancelled_asker_ends_what_was_started(sshd: Sshd, way: str) -> None:
    async with Connections(sshd.settings()) as connections:
        session = await connections.session(sshd.host())
        script = "echo $$ >pids; sleep 65 & echo $! >>pids; wait"
        asked: asyncio.Future[object] = asyncio.ensure_future(
            session.call(script, timeout=60) if way == "call" else run(session, script)
        )
        pids = await pids_in(sshd.home / "pids", 2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    # Leaving the connections has waited for it.
    assert not any(alive(pid) for pid in pids)


async def test_a_run_given_up_before_its_first_word_came_is_ended(
    session: HostSession, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = running._Output.take

    def late(output: running._Output, data: bytes) -> None:
        asyncio.get_running_loop().call_later(0.3, take, output, data)

    monkeypatch.setattr(running._Output, "take", late)
    asked = asyncio.ensure_future(run(session, "echo $$ >pids; sleep 66"))
    (pid,) = await pids_in(sshd.home / "pids", 1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await session.connections.close()
    assert not alive(pid)


async def test_what_detached_itself_is_not_ended(session: HostSession, sshd: Sshd) -> None:
    with pytest.raises(CommandTimedOut):
        await session.call("setsid sleep 3 >/dev/null 2>&1 & echo $! >pids; sleep 60", timeout=0.4)
    (pid,) = await pids_in(sshd.home / "pids", 1)
    assert alive(pid)


async def test_killing_spares_a_stranger_with_the_same_number(session: HostSession) -> None:
    from headway.drivers.ssh.killing import RemoteProcess, end_processes

    stranger = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    try:
        earlier = RemoteProcess(stranger.pid, start=1, session=stranger.pid)
        assert await end_processes(await session.connection(), earlier) == 0
        assert stranger.returncode is None and alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_killing_by_descent_where_the_server_makes_no_session(session: HostSession) -> None:
    from headway.drivers.ssh.killing import RemoteProcess, end_processes

    script = "sleep 66 & sh -c 'sleep 67 & wait' & wait"
    parent = await asyncio.create_subprocess_exec("sh", "-c", script)
    bystander = await asyncio.create_subprocess_exec("sleep", "68")
    try:
        await asyncio.sleep(0.2)
        fields = Path(f"/proc/{parent.pid}/stat").read_text().rpartition(") ")[2].split()
        one = RemoteProcess(parent.pid, int(fields[19]), int(fields[3]))
        assert not one.leads, "this test runs in its own session"
        assert await end_processes(await session.connection(), one) == 0
        assert await parent.wait() != 0
        assert bystander.returncode is None and alive(bystander.pid)
    finally:
        bystander.kill()
        await bystander.wait()


AWKWARD = {"A": "x & y", "B": 'it\'s "so"', "C": "$HOME `id`", "D": "two\nlines", "E": "ü", "F": ""}


@pipes_and_pty
async def test_an_environment_travels_as_data(session: HostSession, sshd: Sshd, pty: bool) -> None:
    script = 'printf \'%s|\' "$A" "$B" "$C" "$D" "$E" "$F"; tr \'\\0\' \'\\n\' </proc/$$/cmdline >argv'
    ended, output = await run(session, script, env=AWKWARD, pty=pty)
    assert ended.ok
    assert output.decode().replace("\r\n", "\n") == "".join(f"{value}|" for value in AWKWARD.values())
    arguments = (sshd.home / "argv").read_text()
    assert "it's" not in arguments and "printf '%s|'" not in arguments


@needs_terminals
async def test_a_terminal_is_one(session: HostSession) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && stty -a | tr ' ' '\\n' | grep -c '^echo;*$'"
    ended, output = await run(session, script, pty=True)
    assert ended.ok and output == b"1\r\n", "a terminal that is sane again: with echo"
    ended, _ = await run(session, "test -t 0 || test -t 1 || test -t 2")
    assert ended.exit_code == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["sh", "-c", "exit 3"], "exit 3"),
        ("exit 4", "exit 4"),
        ("kill -9 $$", "killed by SIGKILL"),
        (["sh", "-c", "kill -TERM $$"], "killed by SIGTERM"),
        (["no-such-command"], "exit 127"),
        ("echo 'open", "exit 2"),
    ],
)
async def test_ends_are_named(session: HostSession, command: str | list[str], words: str) -> None:
    ended, _ = await run(session, command)
    assert str(ended) == words
    assert not ended.ok


async def test_output_streams_while_the_command_runs(session: HostSession, tmp_path: Path) -> None:
    came: list[bytes] = []

    def took(data: bytes) -> None:
        came.append(data)
        (tmp_path / "seen").touch()

    await session.run(
        f"echo one; until [ -e {tmp_path}/seen ]; do sleep 0.02; done; echo two", on_output=took
    )
    assert b"".join(came) == b"one\ntwo\n"


async def test_a_command_ends_though_the_background_holds_its_output(session: HostSession) -> None:
    ended, output = await run(session, "sleep 600 & echo $!")
    assert ended.ok
    os.kill(int(output), signal.SIGKILL)


async def test_no_byte_of_a_large_output_is_lost(session: HostSession) -> None:
    ended, output = await run(session, ["seq", "1", "400000"])
    assert ended.ok
    assert output == b"".join(b"%d\n" % number for number in range(1, 400001))


async def test_a_connection_lost_under_a_run_is_said(session: HostSession, sshd: Sshd) -> None:
    asked = asyncio.ensure_future(run(session, "echo $$ >pids; sleep 20"))
    await pids_in(sshd.home / "pids", 1)
    for pid in sshd.child_pids():
        os.kill(pid, 9)
    with pytest.raises(ConnectionLost):
        await asked


@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh", "zsh", "busybox sh", "dash"])
async def test_any_login_shell_will_do(tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell.split(maxsplit=1)[0])
    if program is None:
        pytest.skip(f"{shell} is not installed here")
    server = start_sshd(tmp_path / "sshd", shell=" ".join([program, *shell.split()[1:]]))
    try:
        async with Connections(server.settings()) as connections:
            session = await connections.session(server.host())
            reply = await session.call("x='a b'; printf '%s|' \"$x\" 'it''s' '!'; exit 5", timeout=60)
            assert (reply.exit_code, reply.output) == (5, b"a b|its|!|")
            ended, output = await run(session, ["printf", "%s|", "a'b", "!x", "$y"], env={"Z": "1"})
            assert ended.ok and output == b"a'b|!x|$y|"
    finally:
        server.stop()


@pytest.mark.parametrize("program", ["bash", "busybox", "dash"])
async def test_any_sh_on_the_host_will_do(tmp_path: Path, program: str) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here")
    server = start_sshd(
        tmp_path / "sshd", shell="/usr/bin/env PATH=" + str(tmp_path / "bin") + ":$PATH /bin/sh"
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(found)
    try:
        async with Connections(server.settings()) as connections:
            session = await connections.session(server.host())
            reply = await session.call("printf 'a\\0b'; cat; exit 5", timeout=60)
            assert (reply.exit_code, reply.output) == (5, b"a\0b")
            with pytest.raises(CommandTimedOut) as caught:
                await session.call("sleep 69 & echo $! >pids; sleep 70", timeout=0.5)
            assert caught.value.survivors == 0
            assert not alive(int((server.home / "pids").read_text()))
            ended, output = await run(session, ["printf", "%s", "a'b\n"], env={"Z": "1"})
            assert ended.ok and output == b"a'b\n"
    finally:
        server.stop()


async def test_a_port_on_the_host_is_reached_through_the_connection(session: HostSession) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")

    async with serving(hello) as port:
        reader, writer = await session.open_tcp("127.0.0.1", port)
        assert await reader.read() == b"hello\n"
        writer.close()
    with pytest.raises(OSError, match=r"(?i)refused"):
        await session.open_tcp("127.0.0.1", port)


if sys.platform != "linux":
    pytestmark = [needs_sshd, pytest.mark.skip(reason="hosts are Linux; this machine is none")]
