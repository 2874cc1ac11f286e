"""A kept world: how to play on in it, and how it is started again."""

import asyncio
import shlex
import shutil
import sys
from pathlib import Path

import asyncssh

from headway.base.errors import Errored, WrongUse
from headway.demo.http import ask_json, close
from headway.demo.layout import DEMO_VARIABLE, HOSTS, SERVICE, STAGING_HOST, Layout, load_layout
from headway.demo.ports import is_free
from headway.demo.served import Served
from headway.demo.world import World

_OURS = ("HOME", "USER", "LOGNAME", "PATH", "PYTHONUSERBASE", "GIT_CONFIG_NOSYSTEM", "HEADWAY_DATA")
_COMMAND = """\
#!/bin/sh
# headway as the demo's person types it: their repository, their keys, their data.
unset HEADWAY_DATABASE_URL HEADWAY_SSH_CONFIG SSH_AUTH_SOCK
{exports}
cd {repository} || exit 1
exec {python} -P -m headway "$@"
"""
_START = """\
#!/bin/sh
# Starts hosts, balancer, users and the server (where the world has one) again, until Ctrl-C.
exec {python} -P -m headway demo --resume-hosts --folder {folder}
"""
_BOOT = """\
cd headway/{service}/{environment}/current 2>/dev/null || exit 0
set -a; . ../../settings/current.env; set +a
./bin/activate > /dev/null
"""
#: Seconds until a shop that was started listens.
_LISTENS_WITHIN = 15.0


class NotStarted(Errored):
    """The shop of a kept host did not start again."""


def write_scripts(layout: Layout) -> None:
    """`headway` and `start` in the kept folder."""
    environment = layout.environment()
    assert DEMO_VARIABLE in environment
    exports = "\n".join(f"export {name}={shlex.quote(environment[name])}" for name in _OURS)
    words = {
        "python": shlex.quote(sys.executable),
        "exports": exports,
        "repository": shlex.quote(str(layout.repository)),
        "folder": shlex.quote(str(layout.folder)),
    }
    for name, text in (("headway", _COMMAND), ("start", _START)):
        script = layout.folder / name
        script.write_text(text.format(**words))
        script.chmod(0o755)


def how_to_look_around(layout: Layout) -> list[str]:
    """While all of it is on: where it is, how one gets in, and what can be typed."""
    folder, served = shlex.quote(str(layout.folder)), Served(layout)
    lines = [f"Everything stays on: Headway at {served.url}, the shop's users, three hosts."]
    if link := served.sign_in:
        lines.append(f"  {link}  lets you in, once")
    return [
        *lines,
        f"  {folder}/headway status    any headway command, in another terminal, in the shop's repository",
        f"  {folder}/start             switches everything on again, once Ctrl-C has switched it off",
    ]


def how_to_play_on(layout: Layout) -> list[str]:
    folder = shlex.quote(str(layout.folder))
    server = ", users and the server" if layout.server_port else " and users"
    return [
        f"The world is kept in {layout.folder}; its hosts are switched off.",
        f"  {folder}/start             switches hosts, balancer{server} on again, until Ctrl-C",
        f"  {folder}/headway status    any headway command, in another terminal, in the shop's repository",
        f"  {folder}/shop              the repository: change something, commit it, "
        + ("git push headway main" if layout.server_port else "run and deploy it"),
        f"  rm -r {folder}             when you have seen enough",
    ]


def load_kept(folder: Path) -> Layout:
    """Raises WrongUse when there is no kept world, or when it runs already."""
    try:
        layout = load_layout(folder.resolve())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongUse(
            f"there is no kept demo in {folder}", hint="make one: headway demo --keep --folder DIR"
        ) from error
    ports = [*layout.ssh_ports.values(), layout.balancer_port, layout.balancer_admin, layout.traffic_admin]
    ports += [layout.server_port] if layout.server_port else []
    if busy := [port for port in ports if not is_free(port)]:
        raise WrongUse(
            f"port {busy[0]} of the demo in {folder} is taken",
            hint="does it run already in another terminal?",
        )
    return layout


def resume(layout: Layout) -> World:
    """Start everything again: on each host the shop that was live, then the balancer and its users."""
    world = World(layout)
    world.start()
    try:
        asyncio.run(_boot_all(world))
    except BaseException:
        world.stop()
        raise
    return world


async def _boot_all(world: World) -> None:
    places = [(host, "production") for host in HOSTS] + [(STAGING_HOST, "staging")]
    live = [(host, place) for host, place in places if world.live_release(host, place)]
    await asyncio.gather(*(_boot(world.layout, host, place) for host, place in live))
    for host, place in live:
        if place == "production":
            ask_json(world.layout.balancer_admin, f"/hosts/{host}/undrain", "POST")


async def _boot(layout: Layout, host: str, environment: str) -> None:
    ssh = layout.person / ".ssh"
    try:
        async with asyncssh.connect(
            "127.0.0.1",
            layout.ssh_ports[host],
            config=[str(ssh / "config")],
            known_hosts=str(ssh / "known_hosts"),
            client_keys=[str(ssh / "id_ed25519")],
            agent_path="",
        ) as connection:
            script = _BOOT.format(service=SERVICE, environment=environment)
            done = await connection.run(script, timeout=30)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise NotStarted(f"{host} cannot be reached: {error!r}") from error
    shop = f"the shop on {host} ({environment})"
    if done.exit_status != 0:
        said = (str(done.stdout or "") + str(done.stderr or "")).strip().splitlines()
        raise NotStarted(f"{shop} did not start: {said[-1] if said else 'silent'}")
    port = layout.web_ports[host if environment == "production" else environment]
    try:
        async with asyncio.timeout(_LISTENS_WITHIN):
            await _listens(port)
    except TimeoutError as late:
        raise NotStarted(f"{shop} does not listen on port {port}") from late


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            await close(writer)
            return


def remove(folder: Path, *, existed: bool) -> None:
    """Remove all that we made; a folder that was there before stays, empty."""
    if not existed:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
