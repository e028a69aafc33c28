"""The models that vLLM runs for this process, seen from outside: by their processes."""

import psutil


class ModelsStarted:
    """Counts the models that vLLM has started since this was made."""

    def __init__(self) -> None:
        self._before = _running()
        self._seen: set[psutil.Process] = set()

    def look(self, *_: object) -> None:
        """See which run now; may stand where progress is told."""
        self._seen |= _running() - self._before

    @property
    def so_far(self) -> int:
        """How many were seen."""
        self.look()
        return len(self._seen)

    @property
    def running(self) -> int:
        """How many of them run now."""
        return len(_running() - self._before)


def _running() -> set[psutil.Process]:
    """The process at the head of each model; those below it are its workers."""
    return {process for process in psutil.Process().children() if "VLLM" in _name(process)}


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""
