"""The end of vLLM's processes when the one that started them is killed.

A killed process cleans nothing up, and vLLM's own processes would wait for its next request for
ever. vLLM calls `watch` in each of its processes, as one of its general plugins (see
`[project.entry-points]`); in those that `vllm/` has not started it does nothing.
"""

import os
import signal
import threading
import time

__all__ = ["OWNER", "watch"]

OWNER = "COGITATE_VLLM_OWNER"
"""The environment variable with the process that started vLLM's."""
_EVERY = 1.0


def watch() -> None:
    """End this process when its parent has died, if `vllm/` started it."""
    owner = os.environ.get(OWNER)
    if owner is None or int(owner) == os.getpid() or _WATCHING.is_set():
        return
    _WATCHING.set()
    threading.Thread(
        target=_until_orphaned, args=(os.getppid(),), name="cogitate-orphan", daemon=True
    ).start()


_WATCHING = threading.Event()


def _until_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os.kill(os.getpid(), signal.SIGKILL)
