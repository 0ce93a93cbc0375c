"""Landlock: a process gives up the file system, TCP and signalling others, for good.

The interface is that of the kernel's Documentation/userspace-api/landlock.rst: three system calls and a structure, with
the same numbers on every architecture; there is no maintained binding. It covers the calling thread and those it starts
later: threads that exist already stay outside.
"""

import ctypes
import errno
import os
from typing import Final

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_ASK_FOR_VERSION: Final = 1
_SET_NO_NEW_PRIVS: Final = 38

_FILES: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""From which version on how many rights to files there are: execute, write, read … refer, truncate, ioctl."""
_TCP: Final = 0b11
"""From version 4: bind and connect."""
_SCOPES: Final = 0b11
"""From version 6: abstract UNIX sockets and signals of processes outside."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def give_up_everything() -> int | None:
    """Deny this thread every right that Landlock governs; return Landlock's version, or None where there is none.

    `OSError` when there is one and it refuses. Sets "no new privileges" as well.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_FOR_VERSION))
    if version < 1:
        if ctypes.get_errno() in {errno.ENOSYS, errno.EOPNOTSUPP}:  # not built, or switched off at boot
            return None
        raise _error("landlock")
    rules = _Ruleset(
        files=(1 << max(rights for since, rights in _FILES.items() if version >= since)) - 1,
        tcp=_TCP if version >= 4 else 0,
        scopes=_SCOPES if version >= 6 else 0,
    )
    size = 8 if version < 4 else 16 if version < 6 else 24  # what the structure had in that version
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise _error("landlock_create_ruleset")
    try:
        zero = ctypes.c_ulong(0)
        if libc.prctl(_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) < 0:
            raise _error("PR_SET_NO_NEW_PRIVS")
        if libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) < 0:
            raise _error("landlock_restrict_self")
    finally:
        os.close(ruleset)
    return int(version)


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
