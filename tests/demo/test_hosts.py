"""Both kinds of host keep the same promises: what is tested on asyncssh's is what OpenSSH does."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from headway.demo.openssh import find_sshd
from headway.demo.processes import HOST_VARIABLE, carriers
from tests.demo.hosts import StartedHost, started

KINDS = [
    "asyncssh",
    pytest.param("openssh", marks=pytest.mark.skipif(not find_sshd(), reason="no sshd here")),
]


@pytest.fixture(params=KINDS)
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StartedHost]:
    async with started(tmp_path, request.param) as running:
        yield running


async def test_a_command_runs_in_a_shell_in_the_hosts_home(host: StartedHost) -> None:
    async with host.connect() as connection:
        done = await connection.run('pwd; echo "$HOME"; echo oh >&2; exit 7')
    assert done.stdout == f"{host.home}\n{host.home}\n"
    assert done.stderr == "oh\n"
    assert done.exit_status == 7


async def test_a_command_ended_by_a_signal_says_so(host: StartedHost) -> None:
    async with host.connect() as connection:
        done = await connection.run("kill -TERM $$")
    # OpenSSH runs the command under the user's login shell, which may tell of the signal by a number.
    assert (done.exit_signal is not None and done.exit_signal[0] == "TERM") or done.exit_status == 143


async def test_a_strangers_key_is_refused(host: StartedHost) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1", host.port, known_hosts=None, client_keys=[stranger], agent_path=None, config=None
        )


async def test_an_upload_of_many_bytes_arrives_whole(host: StartedHost) -> None:
    data = os.urandom(12 * 2**20)
    async with host.connect() as connection:
        done = await connection.run("cat > big; wc -c < big; sha256sum < big", input=data, encoding=None)
    assert isinstance(done.stdout, bytes)
    size, digest, _ = done.stdout.split()
    assert int(size) == len(data)
    assert digest.decode() == hashlib.sha256(data).hexdigest()


async def test_one_shell_takes_many_commands_over_its_input(host: StartedHost) -> None:
    async with host.connect() as connection:
        async with connection.create_process("exec sh") as shell:
            for number in range(200):
                shell.stdin.write(f"echo answer {number}\n")
                assert await shell.stdout.readline() == f"answer {number}\n"
            shell.stdin.write_eof()
            assert (await shell.wait()).exit_status == 0


async def test_many_channels_at_once_keep_their_own_output(host: StartedHost) -> None:
    async with host.connect() as connection:
        runs = [connection.run(f"sleep 0.1; echo {number}", check=True) for number in range(8)]
        assert [done.stdout for done in await asyncio.gather(*runs)] == [f"{n}\n" for n in range(8)]


async def test_a_terminal_is_given_when_asked_for(host: StartedHost) -> None:
    async with host.connect() as connection:
        with_terminal = await connection.run(
            "stty size; echo in color", term_type="xterm", term_size=(91, 17)
        )
        without = await connection.run("test -t 0 || echo none")
    assert with_terminal.stdout == "17 91\r\nin color\r\n"
    assert without.stdout == "none\n"


async def test_a_terminal_has_the_modes_that_were_asked_for(host: StartedHost) -> None:
    modes = {asyncssh.PTY_ECHO: 0, asyncssh.PTY_ONLCR: 0}
    async with host.connect() as connection:
        done = await connection.run(
            "stty -a; read line; echo got $line", term_type="xterm", term_modes=modes, input="me\n"
        )
    assert " -echo " in str(done.stdout) and " -onlcr " in str(done.stdout)
    assert str(done.stdout).endswith("\ngot me\n") and "\nme" not in str(done.stdout)


async def test_forwarding_reaches_this_machine(host: StartedHost) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.readline())
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with host.connect() as connection:
            reader, writer = await connection.open_connection("127.0.0.1", port)
            writer.write(b"you\n")
            assert await reader.read() == b"hello you\n"


async def test_a_lost_connection_kills_nobody(host: StartedHost) -> None:
    async with host.connect() as connection:
        await connection.create_process("sleep 0.3; echo done > after", stdin=asyncssh.DEVNULL)
        await asyncio.sleep(0.15)
        connection.abort()
    for _ in range(400):
        await asyncio.sleep(0.05)
        if (host.home / "after").exists():
            return
    pytest.fail("the command ended with its connection")


async def test_when_a_host_goes_all_its_processes_go(tmp_path: Path) -> None:
    async with started(tmp_path, "asyncssh") as host:
        async with host.connect() as connection:
            await connection.run("setsid sleep 300 > /dev/null 2>&1 < /dev/null & ")
        await asyncio.sleep(0.1)
        assert carriers(HOST_VARIABLE, str(host.home)) != []
    assert carriers(HOST_VARIABLE, str(host.home)) == []


async def test_an_asyncssh_host_forwards_nowhere_else_and_passes_signals(tmp_path: Path) -> None:
    async with started(tmp_path, "asyncssh") as host, host.connect() as connection:
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("192.0.2.1", 80)
        process = await connection.create_process("sleep 60 & sleep 60")
        await asyncio.sleep(0.1)
        process.send_signal("TERM")
        done = await asyncio.wait_for(process.wait(), 60)
        assert done.exit_signal is not None and done.exit_signal[0] == "TERM"


async def test_an_asyncssh_host_takes_variables_and_leaves_odd_names_out(tmp_path: Path) -> None:
    async with started(tmp_path, "asyncssh") as host, host.connect() as connection:
        done = await connection.run('echo "$GREETING"; env', env={"GREETING": "a 'b' $c", "9 x": "no"})
    assert str(done.stdout).startswith("a 'b' $c\n")
    assert "9 x" not in str(done.stdout)


async def test_an_asyncssh_host_does_not_wait_for_what_a_command_left_behind(tmp_path: Path) -> None:
    async with started(tmp_path, "asyncssh") as host, host.connect() as connection:
        done = await asyncio.wait_for(connection.run("echo now; sleep 90 & exit 3"), 60)
    assert (done.stdout, done.exit_status) == ("now\n", 3)
