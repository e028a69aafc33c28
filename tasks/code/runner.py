"""The script that runs a program inside bubblewrap; it imports nothing of ours.

`python -c RUNNER FD` reads a request from the descriptor, gives up what it still has, says `ready`
on the descriptor that was its standard error, and only then runs the program. What comes after
that line is the program's own word: nothing that it is told here is secret, since the request
holds no expected value.

A test with a call evaluates it in the program's own module and reports the value. Any other test
runs the program as a script: its standard output is the result.
"""

import json
import os
import resource
import sys
import types
from collections.abc import Callable

READY = b"ready\n"


def main() -> None:
    """Read the request, confine this process, and run."""
    number = int(sys.argv[1])
    with os.fdopen(number, "rb") as request_file:
        request = json.load(request_file)
    report = os.dup(2)
    nowhere = os.open("/dev/null", os.O_RDWR)
    os.dup2(nowhere, 2)
    if request["call"] is not None:
        os.dup2(nowhere, 1)
    os.set_inheritable(report, False)
    if report != 3:
        os.dup2(report, 3, inheritable=False)
    os.closerange(4, 1 << 20)
    confine(request["uid"], request["limits"])
    os.write(3, READY)
    sys.argv[:] = ["main.py"]
    if request["call"] is None:
        run_script(request["program"])
    else:
        run_call(request)


def confine(uid: int | None, limits: dict[str, int]) -> None:
    """Become nobody, and take the limits, for good."""
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def run_call(request: dict[str, str]) -> None:
    """Evaluate the call in the program's module and report what it returned."""
    names: dict[str, Callable[[object], str]] = {}
    exec(request["encoder"], names)
    encode = names["_cogitate_encode"]
    write, leave, dump = os.write, os._exit, json.dumps
    try:
        module = types.ModuleType("solution")
        sys.modules["solution"] = module
        exec(compile(request["program"], "solution.py", "exec"), module.__dict__)
        exec(compile(request["setup"], "setup.py", "exec"), module.__dict__)
        value = eval(compile(request["call"], "test.py", "eval"), module.__dict__)
        reply = {"nonce": request["nonce"], "value": encode(value)}
    except BaseException as error:
        reply = {"nonce": request["nonce"], "raised": described(error)}
    data = dump(reply).encode() + b"\n"
    while data:
        data = data[write(3, data) :]
    leave(0)


def run_script(program: str) -> None:
    """Run the program as a script; its exit status tells whether it failed."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    try:
        exec(compile(program, "main.py", "exec"), module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        os.write(3, described(error).encode(errors="replace"))
        sys.exit(1)


def described(error: BaseException) -> str:
    """Return the kind and the message of an error, shortly."""
    try:
        return f"{type(error).__name__}: {error}"[:200]
    except BaseException:
        return "an error that cannot be shown"


if __name__ == "__main__":
    main()
