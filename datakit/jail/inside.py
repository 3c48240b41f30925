"""What runs inside of the jail; its text is given to an interpreter that has nothing else.

The program is a child: whatever it does to itself, the parent tells how it ended, and only one that
comes to its end says so through the pipe. A filter of system calls (seccomp) lets it start threads
but no process: a limit on processes does not bind root.
"""

import ctypes
import json
import os
import platform
import resource
import struct
import sys
from typing import Any

# Of Linux, from its headers: prctl, seccomp and BPF.
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _BITS, _END = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x00050001, 0x00050026
_CLONE3, _OTHER_ABI, _THREAD = 435, 0x40000000, 0x10000
# The machine's own number, and its calls that make a process.
_MACHINES = {"x86_64": (0xC000003E, 56, (57, 58)), "aarch64": (0xC00000B7, 220, ())}


def _rule(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def no_processes() -> None:
    """Forbids this process, for good, to make another one."""
    machine, clone, forks = _MACHINES[platform.machine()]
    # Of another machine's calls, which this one may carry out too, there are none.
    rules = [_rule(_LOAD, 4), _rule(_EQUAL, machine, 1, 0), _rule(_END, _REFUSE), _rule(_LOAD, 0)]
    rules += [_rule(_AT_LEAST, _OTHER_ABI, 0, 1), _rule(_END, _REFUSE)]
    for each in forks:
        rules += [_rule(_EQUAL, each, 0, 1), _rule(_END, _REFUSE)]
    # Its flags cannot be looked at; the C library falls back on the older call.
    rules += [_rule(_EQUAL, _CLONE3, 0, 1), _rule(_END, _UNKNOWN)]
    rules += [_rule(_EQUAL, clone, 0, 3), _rule(_LOAD, 16)]
    rules += [_rule(_BITS, _THREAD, 1, 0), _rule(_END, _REFUSE), _rule(_END, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(rules))
    head = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    program = ctypes.create_string_buffer(head)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "there is no filter of system calls")


def _limit(asked: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_AS: asked["memory"],
        resource.RLIMIT_CPU: asked["seconds"],
        resource.RLIMIT_FSIZE: 1 << 24,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for each, most in limits.items():
        resource.setrlimit(each, (most, most))


def _end(asked: dict[str, Any]) -> str:
    """Runs the parts; returns how that ended."""
    part, space = "", {"__name__": "__main__"}
    try:
        for part, text in asked["parts"]:
            exec(compile(text, part, "exec"), space)
    except SystemExit as error:
        return f"exited in {part}: {error}"
    except MemoryError:
        return f"memory in {part}"
    except BaseException as error:
        return f"{type(error).__name__} in {part}: {str(error)[:500]}"
    return "ended"


def main() -> None:
    """Runs the program of standard input, and prints how it ended."""
    asked = json.loads(sys.stdin.buffer.read())
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there)
        _limit(asked)
        no_processes()
        empty = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(empty, number)
        os.write(here, _end(asked).encode("utf-8", "replace"))
        os._exit(0)
    os.close(here)
    said = b""
    while piece := os.read(there, 4096):
        said += piece
    status = os.waitpid(child, 0)[1]
    signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    sys.stdout.write(json.dumps({"said": said.decode("utf-8", "replace"), "signal": signal}))


if __name__ == "__main__":
    main()
