"""Replaces itself by a command that the kernel confines, and kills when its parent ends.

Run as a script: `python -I -S launcher.py PARENT_PID WORD… -- COMMAND ARGUMENT…`. The words say
what holds for the command from then on, and for all it starts:

    limit:NAME:NUMBER    an `RLIMIT_NAME`
    run:PATH             may be read and run, with all below it
    read:PATH            may be read, with all below it
    write:PATH           may be read and written, with all below it
    confined             nothing else may be opened, and no connection be made: Landlock
    filtered             no socket, and no way out of its process group: `REFUSED_CALLS`, seccomp
    required             end with `NOT_CONFINED` where the kernel cannot do that

Python's `preexec_fn` could do the same but is unsafe in a process with threads. It costs some
20 ms, most of which Python takes to start: keep the imports few. `_signal` is the part of `signal`
without its enumerations, which would cost 6 ms more.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # has no stub
import errno
import os
import stat
import sys

PR_SET_PDEATHSIG = 1
"""`prctl(2)`: the signal a process gets when its parent thread ends."""
PR_SET_NO_NEW_PRIVS = 38
"""`prctl(2)`: no program that is run from here on gets more rights than this process has."""
NOT_CONFINED = 126
"""Exit status when the command is to be confined and cannot be: it is not started."""
NOT_STARTED = 127
"""Exit status when the command cannot be started, as shells use it."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls; the same numbers on every processor. See `landlock(7)`."""
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
RIGHTS = {
    "run": EXECUTE | READ_FILE | READ_DIR,
    "read": READ_FILE | READ_DIR,
    "write": READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG
    | REFER | TRUNCATE | IOCTL_DEV,
}  # fmt: skip
"""What each kind of path allows; no kind lets links, pipes, sockets or devices be made."""
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a path to something else than a folder can have."""

NO_SUCH_MACHINE = "no filter is known for this processor"
REFUSED_CALLS = {
    # socket, setsid, setpgid, unshare, setns, mount, io_uring_setup, bpf, perf_event_open,
    # userfaultfd, add_key, request_key, keyctl; and the call that sets the filter.
    "x86_64": (
        0xC000003E, (41, 112, 109, 272, 308, 165, 425, 321, 298, 323, 248, 249, 250), 317
    ),
    "aarch64": (
        0xC00000B7, (198, 157, 154, 97, 268, 40, 425, 280, 241, 282, 217, 218, 219), 277
    ),
}  # fmt: skip
"""What no tool has a reason to call, by processor: its number for filters, the calls, seccomp(2).

Landlock does not know of UDP, of name look-ups and of the kernel's own addresses; a process that
leaves its group would outlive it."""
SPECULATE = 4
"""Flag of seccomp(2): old kernels slow a filtered process down without it."""


def main(arguments: list[str]) -> int:
    """Become the command; returns only when it cannot be started."""
    end = arguments.index("--")
    words, command = arguments[1:end], arguments[end + 1 :]
    set_limits([word.split(":") for word in words if word.startswith("limit:")])
    # Python ignores these, and the command would go on to: a full file must end it.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    if sys.platform.startswith("linux"):
        die_with_parent(int(arguments[0]))
        try:
            confine(words)
        except OSError as error:
            if "required" in words:
                sys.stderr.write(f"cannot be confined: {error.strerror}\n")
                return NOT_CONFINED
    try:
        os.execv(command[0], command)  # noqa: S606 (a list we built, no shell)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
    return NOT_STARTED


def set_limits(words: list[list[str]]) -> None:
    """Bound what the command may use; a lower bound that is there already stays."""
    if not words:
        return
    import resource

    for _, name, number in words:
        kind = getattr(resource, f"RLIMIT_{name}")
        _, most = resource.getrlimit(kind)
        wanted = int(number) if most == resource.RLIM_INFINITY else min(int(number), most)
        # A command may catch SIGXCPU, as FFmpeg does, and go on: it has 5 s to end then.
        hard = wanted if name != "CPU" or wanted == most else wanted + 5
        resource.setrlimit(kind, (wanted, hard))


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process with its parent; other systems have nothing like it."""
    _call("prctl", PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the flag was set: then nobody would ever kill us.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), _signal.SIGKILL)


def confine(words: list[str]) -> None:
    """Leave this process nothing but what the words name.

    Raises:
        OSError: one of the layers is missing; the other one holds.
    """
    if "confined" not in words:
        return
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    failures = []
    for layer in (restrict_files, filter_calls):
        try:
            layer(words)
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def restrict_files(words: list[str]) -> None:
    """Let Landlock deny all files that the words do not name, and TCP.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """
    abi = landlock_abi()
    handled = _rights_of(abi)
    # From ABI 4 on no TCP; from 6 on no signals and no abstract sockets to anybody outside.
    attributes = handled.to_bytes(8, sys.byteorder)
    attributes += (0b11 if abi >= 4 else 0).to_bytes(8, sys.byteorder)
    attributes += (0b11 if abi >= 6 else 0).to_bytes(8, sys.byteorder)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = _call("syscall", CREATE_RULESET, attributes, size, 0)
    for word in words:
        kind, _, path = word.partition(":")
        if kind in RIGHTS:
            _allow(rules, path, RIGHTS[kind] & handled)
    _call("syscall", RESTRICT_SELF, rules, 0)
    os.close(rules)


def landlock_abi() -> int:
    """The version of Landlock this kernel has.

    Raises:
        OSError: none: ENOSYS, it is too old; EOPNOTSUPP, it is switched off.
    """
    return _call("syscall", CREATE_RULESET, None, 0, 1)


def filter_calls(words: list[str]) -> None:
    """Let seccomp deny `REFUSED_CALLS` with EPERM.

    Raises:
        OSError: the kernel has no filters, or none is known for the processor.
    """
    if "filtered" not in words:
        return
    if os.uname().machine not in REFUSED_CALLS:
        raise OSError(errno.ENOSYS, NO_SUCH_MACHINE)
    import ctypes
    import struct

    machine, calls, seccomp = REFUSED_CALLS[os.uname().machine]
    # Load the kind of call, go on if it is this processor's; load its number, go to the end from
    # each that is refused. Numbers above 2**30 are the calls of another ABI.
    steps = [(0x20, 0, 0, 4), (0x15, 0, len(calls) + 3, machine), (0x20, 0, 0, 0)]
    steps += [(0x35, len(calls) + 1, 0, 1 << 30)]
    steps += [(0x15, len(calls) - n, 0, call) for n, call in enumerate(calls)]
    steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    whole = struct.pack("HP", len(steps), ctypes.addressof(program))
    _call("syscall", seccomp, 1, SPECULATE, whole)


def _rights_of(abi: int) -> int:
    """All rights to files that this version of Landlock can deny."""
    return (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1


def _allow(rules: int, path: str, rights: int) -> None:
    """Allow something below a path; one that is not there needs no rule."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= OF_FILES
    beneath = rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
    _call("syscall", ADD_RULE, rules, 1, beneath, 0)
    os.close(place)


def _call(name: str, *arguments: object) -> int:
    """Call the C library; raises OSError where it says no."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    # Without a type a number is an int of C: the arguments of syscall() are long.
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(getattr(library, name)(*given))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
