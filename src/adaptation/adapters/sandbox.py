"""What a tool may touch, and the layers that keep it from everything else."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

from adaptation.adapters import launcher
from adaptation.errors import SettingsError

IS_LINUX = sys.platform.startswith("linux")
Mode = Literal["required", "best-effort", "off"]

LIBRARIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
"""Where systems keep programs and what these are linked with."""
SYSTEM_READS = (
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/ld-musl-x86_64.path",
    "/dev/zero", "/dev/random", "/dev/urandom",
    # Encoders count processors and memory nodes by these.
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self", "/proc/sys/vm",
    "/proc/sys/kernel", "/sys/devices/system",
)  # fmt: skip
"""What programs look at before they do anything."""
SYSTEM_WRITES = ("/dev/null",)
DEVICES = ("/dev/dri", "/dev/kfd", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-modeset")
"""What the drivers of hardware encoders open, beside `/dev/nvidia0` and its like."""
DEVICE_READS = (
    "/sys", "/proc/driver", "/proc/devices", "/proc/modules", "/run/udev", "/etc/drirc",
    "/etc/glvnd", "/etc/libva.conf", "/etc/nvidia", "/etc/OpenCL", "/etc/vulkan",
    "/opt/amdgpu", "/opt/amdgpu-pro", "/opt/intel", "/opt/rocm",
)  # fmt: skip
"""What these drivers read."""
HARDWARE = ("_nvenc", "_vaapi", "_qsv", "_amf", "_videotoolbox", "_v4l2m2m")
"""How the names of encoders end that need a device."""
MANIFESTS = frozenset({".m3u8", ".mpd"})
"""What names other files beside it."""
MEMORY_BYTES = 16 * 1024**3
"""Address space of a tool: an encode of 2160p in AV1 takes about a quarter."""
MEMORY_BYTES_A_PROCESSOR = 256 * 1024**2
"""More of it for each processor, for each has threads with stacks and heaps of their own."""
FILE_BYTES = 1024**4
"""The largest file of a tool that was given no other limit: 1 TiB."""
OPEN_FILES = 1024
"""How many files a tool may have open."""
PASSED_ON = (
    "LANG", "LC_ALL", "TZ", "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
    "SYSTEMROOT", "SYSTEMDRIVE",
)  # fmt: skip
"""Variables of ours that a tool sees. All others may hold passwords and keys."""


@dataclass(frozen=True)
class Access:
    """The files of one command, beside its program and libraries."""

    reads: tuple[Path, ...] = ()
    """Files it reads, or folders with all below them."""
    writes: tuple[Path, ...] = ()
    """Files or folders it reads and writes; the first one is also its `TMPDIR`."""
    devices: bool = False
    """Whether it may use the devices of hardware encoders."""


NOTHING = Access()
"""The access of a command that opens no file."""


@dataclass(frozen=True)
class Layer:
    """One of the walls around a tool."""

    name: str
    active: bool
    """Whether it stands."""
    found: str
    """What there is, or why there is nothing."""
    why: str
    """What it is good for."""
    remedy: str


@dataclass(frozen=True)
class Sandbox:
    """How tools are confined."""

    mode: Mode = "best-effort"
    """`required`: no tool is started where a wall is missing; `off`: there is none, and only the
    limits hold."""
    programs: tuple[Path, ...] = ()
    """Files and folders every tool may read and run, beside its own program and `LIBRARIES`."""

    bubblewrap: Path | None = None
    """A `bwrap` that works, which stands in for the kernel's own walls; none: they stand."""

    def words(self, program: str, access: Access) -> list[str]:
        """What `launcher.py` is told, without limits."""
        if self.mode == "off" or self.bubblewrap:
            return []
        words = [f"{kind}:{path}" for kind, path in self._open(program, access)]
        words += ["confined"] if access.devices else ["confined", "filtered"]
        return [*words, *(["required"] if self.mode == "required" else [])]

    def around(self, program: str, access: Access, cwd: Path | None) -> list[str]:
        """What stands in front of a command: nothing, or bubblewrap with all it may see."""
        if self.mode == "off" or self.bubblewrap is None:
            return []
        words = [str(self.bubblewrap), "--unshare-all", "--die-with-parent", "--proc", "/proc"]
        words += ["--dev-bind", "/dev", "/dev"] if access.devices else ["--dev", "/dev"]
        for kind, path in self._open(program, access):
            if not path.startswith(("/dev/", "/proc/")):
                words += ["--bind-try" if kind == "write" else "--ro-bind-try", path, path]
        return [*words, *(["--chdir", str(cwd)] if cwd else []), "--"]

    def _open(self, program: str, access: Access) -> list[tuple[str, str]]:
        """Every path that is open to a command, and for what."""
        run = [*LIBRARIES, program, os.path.realpath(program), *map(str, self.programs)]
        reads, writes = [*SYSTEM_READS, *map(str, access.reads)], [*SYSTEM_WRITES]
        writes += map(str, access.writes)
        if access.devices:
            reads += DEVICE_READS
            writes += [*DEVICES, *map(str, Path("/dev").glob("nvidia[0-9]*"))]
        kinds = {"run": run, "read": reads, "write": writes}
        return [(kind, path) for kind, paths in kinds.items() for path in paths]

    def check(self) -> None:
        """Refuse to begin where a wall is missing that the operator requires.

        Raises:
            SettingsError: `sandbox_missing`; names the layer and the remedy.
        """
        missing = [layer for layer in _walls() if not layer.active]
        if self.mode == "required" and missing and self.bubblewrap is None:
            layer = missing[0]
            raise SettingsError(
                f"the sandbox is required, and {layer.name} is missing: {layer.found}",
                code="sandbox_missing",
                hint=f"{layer.remedy} Or set ADAPTATION_SANDBOX to best-effort to do without.",
            )


USUAL = Sandbox()
"""As well as the system can."""


def named_in(argv: Sequence[str]) -> Access:
    """The files of a command of FFmpeg: its inputs, and the folders of its outputs.

    Each is a word of its own that is an absolute path, most with `file:` in front of it. A
    playlist or manifest stands for its folder, for its segments lie there. The devices of hardware
    encoders are open to a command that names one.
    """
    reads, writes = [], []
    for before, argument in pairwise(argv):
        path = Path(argument.removeprefix("file:"))
        if not argument.startswith(("file:", "/")):
            continue
        if before != "-i":
            writes.append(path.parent)
        else:
            reads.append(path.parent if path.suffix in MANIFESTS else path)
    devices = any(word.endswith(HARDWARE) for word in argv)
    return Access(tuple(dict.fromkeys(reads)), tuple(dict.fromkeys(writes)), devices=devices)


def environment(access: Access) -> dict[str, str]:
    """The variables of a tool: none that could hold a secret, and no home of anybody."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    folder = next((str(path) for path in access.writes if path.is_dir()), "/nonexistent")
    homes = dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), folder)
    return {"LANG": "C.UTF-8", "PATH": os.defpath, **kept, **homes}


def memory_bytes() -> int:
    """The address space that a tool gets on this machine."""
    return MEMORY_BYTES + MEMORY_BYTES_A_PROCESSOR * (os.cpu_count() or 1)


def stands() -> bool:
    """Whether this machine has all walls of its own."""
    return all(wall.active for wall in _walls())


def layers(mode: Mode = "best-effort") -> tuple[Layer, ...]:
    """Every wall around a tool, and how it stands on this machine under a mode."""
    off = "switched off by ADAPTATION_SANDBOX"
    remedy = "Set ADAPTATION_SANDBOX to best-effort or required."
    walls = _walls()
    if mode == "off":
        walls = tuple(replace(wall, active=False, found=off, remedy=remedy) for wall in walls)
    return (*walls, _bounds())


@cache
def _walls() -> tuple[Layer, ...]:
    """Those that the kernel is asked for, once a process."""
    return (
        Layer(
            "landlock",
            *_landlock(),
            "keeping a hostile source from reading other files and from connections",
            "Use Linux 5.13 or newer with landlock among its security modules (the boot option"
            " lsm=), and a container runtime that lets its system calls through.",
        ),
        Layer(
            "call filter",
            *_filter(),
            "denying tools all sockets, and ways out of their process group",
            "Use Linux with seccomp filters on x86_64 or aarch64.",
        ),
    )


def _landlock() -> tuple[bool, str]:
    if not IS_LINUX:
        return False, f"not on {sys.platform}"
    try:
        abi = launcher.landlock_abi()
    except OSError as error:
        return False, f"the kernel says: {error.strerror}"
    # What came later than files: https://docs.kernel.org/userspace-api/landlock.html
    more = {3: "truncation", 4: "TCP", 5: "devices", 6: "signals"}
    known = ", ".join(["files", *(word for first, word in more.items() if abi >= first)])
    return True, f"ABI {abi}: {known}"


def _filter() -> tuple[bool, str]:
    machine = platform.machine()
    if not IS_LINUX:
        return False, f"not on {sys.platform}"
    if machine not in launcher.REFUSED_CALLS:
        return False, f"none is known for {machine}"
    if not Path("/proc/sys/kernel/seccomp/actions_avail").exists():
        return False, "the kernel has no seccomp filters"
    return True, f"{len(launcher.REFUSED_CALLS[machine][1])} system calls fail"


def _bounds() -> Layer:
    has = hasattr(os, "fork")
    size = f"{memory_bytes() / 1024**3:.1f} GiB of memory, {FILE_BYTES // 1024**3} GiB a file"
    return Layer(
        "limits",
        has,
        f"{size}, {OPEN_FILES} open files, no core files" if has else f"not on {sys.platform}",
        "ending tools that use too much",
        "Give the worker a machine or a container of its own, with limits of its own.",
    )
