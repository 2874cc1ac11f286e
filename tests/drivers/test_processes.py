import os
import subprocess
import sys
from dataclasses import replace

from headway.drivers.processes import current, identity, is_alive


def test_this_process_is_alive() -> None:
    assert current().pid == os.getpid()
    assert is_alive(current())
    assert current() == identity(os.getpid())


def test_another_process_with_the_same_number_is_another() -> None:
    assert not is_alive(replace(current(), start_time=current().start_time + 1))
    assert not is_alive(replace(current(), boot_id="another boot"))


def test_a_dead_process_is_not_alive_before_and_after_it_is_reaped() -> None:
    # A name with blanks and parentheses must not shift the fields.
    script = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) Z (b'); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    found = identity(child.pid)
    assert found is not None
    assert is_alive(found)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(found)
    assert identity(child.pid) is None
    child.communicate()
    assert not is_alive(found)
