"""Windows' way to let a tool and all it starts end together with whoever started it."""

from __future__ import annotations

import ctypes
from typing import Any

KILL_ON_CLOSE = 0x00002000
"""`JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`: the last handle to the job ends all that runs in it."""
DIE_ON_EXCEPTION = 0x00000400
"""`JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION`: a crash ends at once, without a dialogue."""
PROCESS_MEMORY = 0x00000100
"""`JOB_OBJECT_LIMIT_PROCESS_MEMORY`: what each process may commit."""
EXTENDED_LIMITS = 9
"""`JobObjectExtendedLimitInformation`, the kind of facts that are set."""
ENDED_BY_US = 1
"""Exit status of what is ended."""


class BasicLimits(ctypes.Structure):
    """`JOBOBJECT_BASIC_LIMIT_INFORMATION` of `winnt.h`."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class IoCounters(ctypes.Structure):
    """`IO_COUNTERS` of `winnt.h`."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "ReadOperationCount",
            "WriteOperationCount",
            "OtherOperationCount",
            "ReadTransferCount",
            "WriteTransferCount",
            "OtherTransferCount",
        )
    )


class ExtendedLimits(ctypes.Structure):
    """`JOBOBJECT_EXTENDED_LIMIT_INFORMATION` of `winnt.h`."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", IoCounters),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def limits(memory_bytes: int) -> ExtendedLimits:
    """Ends with its handle, without dialogues, and no process in it takes more memory."""
    wanted = ExtendedLimits()
    wanted.BasicLimitInformation.LimitFlags = KILL_ON_CLOSE | DIE_ON_EXCEPTION | PROCESS_MEMORY
    wanted.ProcessMemoryLimit = memory_bytes
    return wanted


class JobObject:
    """A job that one tool and all it starts belong to."""

    def __init__(self, process_handle: int, memory_bytes: int) -> None:
        """Put a process that was just started into a job of its own.

        Args:
            process_handle: as `subprocess.Popen` holds it on Windows.
            memory_bytes: the most that each process in the job may commit.

        Raises:
            OSError: Windows refuses.
        """
        self._kernel = _kernel32()
        self._handle = ctypes.c_void_p(self._kernel.CreateJobObjectW(None, None))
        wanted = limits(memory_bytes)
        facts = (EXTENDED_LIMITS, ctypes.byref(wanted), ctypes.sizeof(wanted))
        if not (
            self._handle
            and self._kernel.SetInformationJobObject(self._handle, *facts)
            and self._kernel.AssignProcessToJobObject(self._handle, ctypes.c_void_p(process_handle))
        ):
            raise OSError("Windows puts the tool into no job")

    def end(self) -> None:
        """End all that runs in it."""
        self._kernel.TerminateJobObject(self._handle, ENDED_BY_US)

    def close(self) -> None:
        """Give the handle back, which ends what is left."""
        self._kernel.CloseHandle(self._handle)


def _kernel32() -> Any:
    loader = getattr(ctypes, "WinDLL", None)
    if loader is None:
        raise OSError("only Windows has job objects")
    library = loader("kernel32", use_last_error=True)
    library.CreateJobObjectW.restype = ctypes.c_void_p
    return library
