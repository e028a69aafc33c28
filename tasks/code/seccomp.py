"""The system calls that a sandboxed program does not get: a classic BPF program for the kernel.

It is a list of what is refused, on top of namespaces and limits: other processes, memory that no
limit counts, sockets of any family but AF_UNIX (AF_VSOCK reaches the host of a virtual machine
from any network namespace), and the parts of the kernel that escapes were made of. Calls newer
than the list are unknown to it, and look to the program as if the kernel were older.
"""

import platform
import struct

__all__ = ["seccomp_filter"]

_EPERM, _ENOSYS = 1, 38
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_AF_UNIX = 1
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020080
_NEWEST = 462
_CLONE3 = 435

_MACHINES = {
    "x86_64": (0, 0xC000003E, 56, (41, 53)),
    "aarch64": (1, 0xC00000B7, 220, (198, 199)),
}
"""Column of the table, audit architecture, clone, socket and socketpair."""

_REFUSED = """
    fork 57 -; vfork 58 -; ptrace 101 117
    process_vm_readv 310 270; process_vm_writev 311 271; kcmp 312 272
    pidfd_open 434 434; pidfd_getfd 438 438; process_madvise 440 440
    process_mrelease 448 448; unshare 272 97; setns 308 268
    chroot 161 51; pivot_root 155 41; mount 165 40
    umount2 166 39; open_tree 428 428; move_mount 429 429
    fsopen 430 430; fsconfig 431 431; fsmount 432 432
    fspick 433 433; mount_setattr 442 442; name_to_handle_at 303 264
    open_by_handle_at 304 265; quotactl 179 60; quotactl_fd 443 443
    swapon 167 224; swapoff 168 225; acct 163 89
    lookup_dcookie 212 18; fanotify_init 300 262; shmget 29 194
    shmat 30 196; semget 64 190; msgget 68 186
    mq_open 240 180; memfd_create 319 279; memfd_secret 447 447
    mbind 237 235; set_mempolicy 238 237; set_mempolicy_home_node 450 450
    migrate_pages 256 238; move_pages 279 239; add_key 248 217
    request_key 249 218; keyctl 250 219; bpf 321 280
    perf_event_open 298 241; userfaultfd 323 282; io_uring_setup 425 425
    io_uring_enter 426 426; io_uring_register 427 427; init_module 175 105
    finit_module 313 273; delete_module 176 106; create_module 174 -
    kexec_load 246 104; kexec_file_load 320 294; reboot 169 142
    syslog 103 116; nfsservctl 180 42; uselib 134 -
    _sysctl 156 -; sethostname 170 161; setdomainname 171 162
    settimeofday 164 170; clock_settime 227 112; clock_adjtime 305 266
    adjtimex 159 171; personality 135 92; modify_ldt 154 -
    iopl 172 -; ioperm 173 -; statmount 457 457
    listmount 458 458; io_setup 206 0
"""
"""Each call with its number on x86_64 and on aarch64."""


def seccomp_filter(machine: str = "") -> bytes | None:
    """Return the filter for a machine such as `x86_64`, or None where it is not known."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    column, architecture, clone, sockets = known
    steps = [
        _step(_LOAD, value=_ARCHITECTURE),
        _step(_EQUAL, value=architecture, then=1),
        _step(_RETURN, value=_KILL),
        _step(_LOAD, value=_NUMBER),
        *_when(_EQUAL, _CLONE3, _ERRNO | _ENOSYS),  # the C library then uses clone
        *_when(_AT_LEAST, _NEWEST + 1, _ERRNO | _ENOSYS),  # the calls of x32 as well
    ]
    for number in _refused(column):
        steps += _when(_EQUAL, number, _ERRNO | _EPERM)
    steps += [
        _step(_EQUAL, value=clone, otherwise=5),  # threads yes, processes no
        _step(_LOAD, value=_FIRST_ARGUMENT),
        _step(_ANY_BIT, value=_CLONE_NAMESPACES, then=1),
        _step(_ANY_BIT, value=_CLONE_THREAD, then=1),
        _step(_RETURN, value=_ERRNO | _EPERM),
        _step(_RETURN, value=_ALLOW),
        _step(_EQUAL, value=sockets[0], then=1),
        _step(_EQUAL, value=sockets[1], otherwise=3),
        _step(_LOAD, value=_FIRST_ARGUMENT),
        _step(_EQUAL, value=_AF_UNIX, then=1),
        _step(_RETURN, value=_ERRNO | _EPERM),
        _step(_RETURN, value=_ALLOW),
    ]
    return b"".join(steps)


def _refused(column: int) -> list[int]:
    calls = [call.split() for call in _REFUSED.replace("\n", ";").split(";") if call.strip()]
    return [int(numbers[column]) for _, *numbers in calls if numbers[column] != "-"]


def _step(code: int, *, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def _when(test: int, value: int, result: int) -> tuple[bytes, bytes]:
    return _step(test, value=value, otherwise=1), _step(_RETURN, value=result)
