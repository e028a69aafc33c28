"""A program that looks for a way out of its sandbox; the tests give it to one as text.

Each function of `PROBES` tries one thing and returns what came of it: the name of the error, or
what it found. `tests/tasks/code/test_bubblewrap.py` says what must come of it.
"""

import asyncio
import builtins
import ctypes
import errno
import fcntl
import os
import platform
import resource
import signal
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable

X86 = platform.machine() == "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
GIVEN: dict[str, str] = {}
"""What the test put on the machine for the program to find."""


def system_call(x86: int, arm: int, *arguments: object) -> str:
    """Make a call and name its error; `done` if there is none."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    words += [ctypes.c_long(0)] * (6 - len(words))
    if LIBC.syscall(ctypes.c_long(x86 if X86 else arm), *words) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return "done"


def attempt(act: Callable[[], object]) -> object:
    """Name the error that an act raises; what it returns if there is none."""
    try:
        return act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except (ValueError, ImportError, RuntimeError) as error:
        return type(error).__name__


def there(*paths: str) -> list[str]:
    return [path for path in paths if os.path.lexists(path)]


def host_files() -> object:
    found = there(
        *("/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/resolv.conf", "/etc/machine-id"),
        *("/home", "/var", "/run", "/opt", "/srv", "/mnt", "/boot", "/bin", "/usr/bin", "/sbin"),
        *("/root/.ssh", "/root/.bash_history", "/var/run/docker.sock", "/dev/shm", "/sys"),
    )
    return [path for path in found if not sys.executable.startswith(f"{path}/")]


def a_file_of_the_test() -> object:
    return attempt(lambda: open(GIVEN["file"]).read())


def the_tests_and_the_package() -> object:
    return there(GIVEN["tests"], GIVEN["package"])


def installed_packages() -> object:
    return attempt(lambda: __import__("pydantic"))


def environment() -> object:
    return sorted(os.environ)


def processes_in_proc() -> object:
    return there("/proc", "/proc/self", "/proc/1/environ", "/proc/self/mem", "/proc/sys")


def process_numbers() -> object:
    found = []
    for pid in range(1, 3000):
        if pid != os.getpid() and attempt(lambda pid=pid: os.kill(pid, 0)) != "ESRCH":
            found.append(pid)
    return found


def the_test_s_own_process() -> object:
    return attempt(lambda: os.kill(int(GIVEN["pid"]), 0))


def kill_everybody() -> object:
    return attempt(lambda: os.kill(-1, signal.SIGKILL))


def kill_the_first_process() -> object:
    attempt(lambda: os.kill(1, signal.SIGKILL))
    time.sleep(0.05)
    return "alive"


def trace_the_first_process() -> object:
    return system_call(101, 117, 16, 1)  # PTRACE_ATTACH


def be_traced() -> object:
    return system_call(101, 117, 0)


def read_another_s_memory() -> object:
    return system_call(310, 270, 1)


def write_another_s_memory() -> object:
    return system_call(311, 271, 1)


def hold_a_process() -> object:
    return system_call(434, 434, 1)


def take_a_descriptor() -> object:
    return system_call(438, 438, 1, 0)


def tcp_to_the_host() -> object:
    return attempt(lambda: socket.create_connection(("127.0.0.1", int(GIVEN["port"])), 1))


def socket_of(family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> object:
    return attempt(lambda: socket.socket(family, kind, protocol))


def udp() -> object:
    return socket_of(socket.AF_INET, socket.SOCK_DGRAM)


def ipv6() -> object:
    return socket_of(socket.AF_INET6)


def raw_packets() -> object:
    return socket_of(17, socket.SOCK_RAW)


def netlink() -> object:
    return socket_of(16, socket.SOCK_RAW)


def the_virtual_machine_s_host() -> object:
    return socket_of(40)


def the_kernel_s_ciphers() -> object:
    return socket_of(38, socket.SOCK_SEQPACKET)


def bluetooth() -> object:
    return socket_of(31, socket.SOCK_RAW)


def a_pair_of_another_family() -> object:
    pair = (ctypes.c_int * 2)()
    return system_call(53, 199, 30, 1, 0, pair)  # AF_TIPC


def names_on_the_network() -> object:
    return attempt(lambda: socket.getaddrinfo("localhost", 80))


def a_unix_socket_of_the_host() -> object:
    with socket.socket(socket.AF_UNIX) as client:
        return attempt(lambda: client.connect(GIVEN["socket"]))


def an_abstract_socket_of_the_host() -> object:
    with socket.socket(socket.AF_UNIX) as client:
        return attempt(lambda: client.connect("\0" + GIVEN["abstract"]))


def an_event_loop() -> object:
    async def nothing() -> str:
        await asyncio.sleep(0)
        return "works"

    return asyncio.run(nothing())


def mount() -> object:
    return system_call(165, 40, b"none", b"/tmp", b"tmpfs")


def mount_again_for_writing() -> object:
    return system_call(165, 40, None, b"/", None, 32)


def unmount() -> object:
    return system_call(166, 39, b"/tmp", 2)


def open_a_tree() -> object:
    return system_call(428, 428, -100, b"/", 1)


def make_a_file_system() -> object:
    return system_call(430, 430, b"tmpfs", 0)


def change_root() -> object:
    return system_call(161, 51, b"/tmp")


def pivot_root() -> object:
    return system_call(155, 41, b"/tmp", b"/tmp")


def a_namespace_of_users() -> object:
    return system_call(272, 97, 0x10000000)


def a_namespace_by_clone() -> object:
    return system_call(56, 220, 0x10000000 | signal.SIGCHLD)


def another_s_namespace() -> object:
    return system_call(308, 268, 0, 0)


def a_file_by_its_handle() -> object:
    return system_call(304, 265, -100, None, 0)


def fork() -> object:
    return attempt(os.fork)


def vfork() -> object:
    return system_call(58, 220, signal.SIGCHLD)


def clone() -> object:
    return system_call(56, 220, signal.SIGCHLD)


def clone3() -> object:
    return system_call(435, 435, None, 0)


def spawn() -> object:
    return attempt(lambda: subprocess.run([sys.executable, "-c", "1"], check=True))


def threads() -> object:
    """Start many; whether some start and some limit holds."""
    ready = threading.Event()
    started = 0
    try:
        for _ in range(300):
            threading.Thread(target=ready.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    ready.set()
    return 8 <= started <= 64


def write_to(path: str) -> object:
    return attempt(lambda: builtins.open(path, "w"))


def write_to_the_root() -> object:
    return write_to("/written")


def write_to_the_scratch_folder() -> object:
    return write_to("/tmp/written")


def write_to_the_library() -> object:
    return write_to(os.path.join(os.path.dirname(os.__file__), "written.py"))


def change_the_library() -> object:
    return attempt(lambda: builtins.open(os.__file__, "a"))


def make_a_device() -> object:
    return attempt(lambda: os.mknod("/tmp/sda", stat.S_IFBLK | 0o666, os.makedev(8, 0)))


def devices() -> object:
    return sorted(os.listdir("/dev"))


def a_file_in_memory() -> object:
    return system_call(319, 279, b"x", 0)


def a_secret_file_in_memory() -> object:
    return system_call(447, 447, 0)


def shared_memory() -> object:
    return system_call(29, 194, 0, 4096, 0o1600)


def a_queue_of_messages() -> object:
    return system_call(240, 180, b"x", os.O_CREAT | os.O_RDWR, 0o600, None)


def descriptors() -> object:
    return [n for n in range(4096) if attempt(lambda n=n: os.fstat(n) and "open") == "open"]


def type_into_the_terminal() -> object:
    tried = {attempt(lambda n=n: fcntl.ioctl(n, termios.TIOCSTI, b"x")) for n in range(4)}
    return sorted(map(str, tried))


def open_the_terminal() -> object:
    return attempt(lambda: os.open("/dev/tty", os.O_RDWR))


def become_root() -> object:
    return sorted({str(attempt(lambda: os.setuid(0))), str(attempt(lambda: os.setgid(0)))})


def is_root() -> object:
    return 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups())


def capabilities() -> object:
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    LIBC.capget(header, data)
    return [data[0], data[1], data[3], data[4]]  # effective and permitted


def new_privileges_by_a_setuid_file() -> object:
    return "refused" if LIBC.prctl(39, 0, 0, 0, 0) == 1 else "possible"


def io_uring() -> object:
    return system_call(425, 425, 1, None)


def asynchronous_io() -> object:
    return system_call(206, 0, 1, None)


def bpf() -> object:
    return system_call(321, 280, 0, None, 0)


def add_a_key() -> object:
    return system_call(248, 217, b"user", b"x", b"x", 1, -3)


def read_keys() -> object:
    return system_call(250, 219, 0, -3)


def performance_events() -> object:
    return system_call(298, 241, None, 0, -1, -1, 0)


def page_faults() -> object:
    return system_call(323, 282, 1)


def a_kernel_module() -> object:
    return system_call(313, 273, 0, b"", 0)


def another_kernel() -> object:
    return system_call(246, 104, 0, 0, None, 0)


def reboot() -> object:
    return system_call(169, 142, 0)


def the_kernel_s_log() -> object:
    return system_call(103, 116, 10, None, 0)


def set_the_clock() -> object:
    return attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, 0.0))


def set_the_name_of_the_host() -> object:
    return attempt(lambda: socket.sethostname("x"))


def the_name_of_the_host() -> object:
    return socket.gethostname()


def an_older_personality() -> object:
    return system_call(135, 92, 0x0040000)


def swap() -> object:
    return system_call(167, 224, b"/tmp", 0)


def a_call_of_tomorrow() -> object:
    return system_call(1000, 1000)


def a_call_of_x32() -> object:
    return system_call(0x40000000 + 39, 1000)


def raise_a_limit() -> object:
    names = ("AS", "NPROC", "CPU", "FSIZE", "NOFILE")
    tried = {
        attempt(lambda name=name: resource.setrlimit(name, (1 << 40, 1 << 40)))
        for name in (getattr(resource, f"RLIMIT_{name}") for name in names)
    }
    return sorted(map(str, tried))


PROBES = [
    found
    for name, found in list(globals().items())
    if callable(found)
    and getattr(found, "__module__", "") == __name__
    and name not in ("system_call", "attempt", "there", "socket_of", "write_to")
]


def look_for_a_way_out(given: dict[str, str]) -> dict[str, object]:
    GIVEN.update(given)
    found: dict[str, object] = {}
    for probe in PROBES:
        try:
            found[probe.__name__] = probe()
        except BaseException as error:  # the tests must see it
            found[probe.__name__] = f"{type(error).__name__}: {error}"
    return {name: value if is_plain(value) else "reached" for name, value in found.items()}


def is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return isinstance(value, str | bool | int)
