import pytest

from datakit.jail import Jail, jail_missing

pytestmark = pytest.mark.skipif(bool(jail_missing()), reason=jail_missing() or "a jail")


@pytest.fixture(scope="module")
def jail():
    return Jail(seconds=1, memory_mb=256)


def ran(jail, code):
    return jail.run([("code", code)])


def test_parts_share_a_namespace(jail):
    assert not jail.run([("code", "def f(x): return x + 1"), ("tests", "assert f(1) == 2")]).reason
    failed = jail.run([("code", "def f(x): return x"), ("tests", "assert f(1) == 2, 'not 2'")])
    assert (failed.reason, failed.part, failed.message) == (
        "raised",
        "tests",
        "AssertionError: not 2",
    )


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        ("def f(:", "raised", "SyntaxError"),
        ("import sys; sys.exit(0)", "exited", "0"),
        ("import os; os._exit(0)", "crashed", "left before its end"),
        ("import os; os.kill(os.getppid(), 9)", "crashed", "watches it"),
        ("while True: pass", "timeout", "1 s of processor time"),
        ("x = 'a' * 10**10", "memory", ""),
        # No network, no files but the system's, none of them to be written, no environment.
        ("import socket; socket.create_connection(('127.0.0.1', 22), 2)", "raised", "Error"),
        ("open('/etc/passwd').read()", "raised", "No such file"),
        ("open('/usr/x', 'w')", "raised", "Read-only file system"),
        ("open('/tmp/x', 'w').write('a' * 10**8)", "raised", "File too large"),
        ("import os; assert os.environ.get('SECRET'), 'none'", "raised", "none"),
        ("import os; assert os.getuid() == 0, 'nobody'", "raised", "nobody"),
        # No process but its own, and no signal to any other.
        ("import os; os.fork()", "raised", "Operation not permitted"),
        ("import subprocess; subprocess.run(['ls'])", "raised", "Operation not permitted"),
        ("import os; assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 9, 'few'",
         "raised", "few"),
    ],
)  # fmt: skip
def test_what_a_program_cannot_do(code, reason, message, jail, monkeypatch):
    monkeypatch.setenv("SECRET", "key")
    found = ran(jail, code)
    assert found.reason == reason
    assert message in found.message


def test_threads_and_the_standard_library_are_there(jail):
    code = (
        "import threading, asyncio, re, json, decimal\n"
        "done = []\n"
        "thread = threading.Thread(target=done.append, args=(1,))\n"
        "thread.start(); thread.join()\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "assert done == [1]\n"
    )
    assert not ran(jail, code).reason


def test_no_bubblewrap(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "apt install bubblewrap" in jail_missing()
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Linux" in jail_missing()
