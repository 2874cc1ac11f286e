"""Runs in the rivals' environment: Fabric's ThreadingGroup on the hosts named in a JSON file; prints seconds.

python fabric_rival.py HOSTS.json COMMAND
"""

import json
import sys
import time

from fabric import Config, Connection
from fabric.group import ThreadingGroup


def main(hosts_file: str, command: str) -> None:
    with open(hosts_file, encoding="utf-8") as file:
        hosts = json.load(file)
    connections = [
        Connection(
            host["address"],
            user=host["user"],
            port=host["port"],
            config=Config(overrides={"load_ssh_configs": False}),
            connect_kwargs={"key_filename": host["key"], "allow_agent": False, "look_for_keys": False},
        )
        for host in hosts
    ]
    begin = time.perf_counter()
    failed = 0
    try:
        ThreadingGroup.from_connections(connections).run(command, hide=True)
    except Exception as error:  # the group's error holds what came of each host
        failed = len(getattr(getattr(error, "result", None), "failed", {})) or len(connections)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "failed": failed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
