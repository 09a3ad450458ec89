"""Swaps two folders in one moment, where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap(staging: Path, output: Path) -> None:
    """Swap two folders, so that `output` exists at every moment.

    Where the system cannot do that, what was at `output` is deleted instead.

    Raises:
        OSError: one of them is not there, or may not be renamed.
    """
    try:
        _rename_exchange(staging, output)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        # No such call on this system or file system: the old asset steps aside for a moment.
        old = staging.with_suffix(".old")
        output.rename(old)
        try:
            staging.rename(output)
        except OSError:
            old.rename(output)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _rename_exchange(first: Path, second: Path) -> None:
    """Call Linux' renameat2(2) with RENAME_EXCHANGE.

    Raises:
        OSError: ENOSYS where the C library has no such function.
    """
    call = (
        getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name != "nt" else None
    )
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    arguments = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    if call(*arguments, _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(second))
