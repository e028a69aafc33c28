"""The results file of `cogitate eval`: a line for each finished episode, so nothing is lost.

A line is written when its episode ends. Its key is made from all that the outcome depends on:
set, problem, worked examples, strategy, team, weights, budget and seed. A later run with the same
file takes the lines whose key it needs, and thinks only about the rest.
"""

import json
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from pydantic import FiniteFloat, ValidationError

from cogitate.agents import Team, Verifier
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Budget
from cogitate.graphs.solve import open_engines
from cogitate.inference import Engines
from cogitate.inference.hf.locate import fetch, fingerprint
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.outcome import Outcome

__all__ = ["Line", "Results", "key_of", "read_lines", "seconds_of", "settings_of"]


class Line(Outcome):
    """A line of a results file."""

    key: str
    set: str
    """The problem set, as it was asked for."""
    strategy: str
    seed: int
    run: str
    """Which run of the command wrote it."""
    elapsed: FiniteFloat
    """Seconds from the beginning of the set and strategy, in that run, to the episode's end."""
    oracle: bool = False
    """The verifier could read the right answers."""


class Results:
    """The lines that are there, and where new ones go.

    Args:
        path: The file; None keeps lines in memory only.

    Raises:
        DataError: A line is not one of a results file.
        ConfigError: The file cannot be read or written.
    """

    def __init__(self, path: str | None) -> None:
        self._file = None if path is None else Path(path)
        self._lines: dict[str, Line] = {}
        if self._file is not None:
            try:
                self._read(self._file)
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"--output {path}: it cannot be used ({error}): choose another file"
                ) from None

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def lines(self, keys: Iterable[str]) -> list[Line]:
        """The lines that there are of these, in their order."""
        return [self._lines[key] for key in keys if key in self._lines]

    def add(self, line: Line) -> None:
        """Keep a line, and have it in the file before this returns."""
        self._lines[line.key] = line
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line.model_dump_json() + "\n")

    def _read(self, file: Path) -> None:
        file.touch()
        text = file.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        self._lines.update({line.key: line for line in _parsed(file, whole)})
        if len(whole) < len(text):  # the last line was cut when its run was killed
            file.write_bytes(whole)


def read_lines(path: str) -> list[Line]:
    """Read the lines of a results file, and leave it as it is, without a last line that was cut.

    Raises:
        ConfigError: There is no such file, or it cannot be read.
        DataError: A line is not one of a results file.
    """
    file = Path(path)
    try:
        text = file.read_bytes()
        lines = _parsed(file, text[: text.rfind(b"\n") + 1])
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: it cannot be read ({error}): give a file that `cogitate eval --output` wrote"
        ) from None
    return list({line.key: line for line in lines}.values())


def _parsed(file: Path, text: bytes) -> list[Line]:
    lines = []
    for number, line in enumerate(text.decode().splitlines(), start=1):
        try:
            lines.append(Line.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise DataError(
                f"{file}, line {number}: {where}: {first['msg']}. It is no line that "
                "`cogitate eval` wrote: choose another file, or remove it"
            ) from None
    return lines


def settings_of(team: Team, engines: Engines, *, budget: Budget, seed: int) -> str:
    """Return in one text all settings that an outcome depends on, weights included.

    Weights that are not on this machine yet are fetched: they are needed in any case.

    Raises:
        ConfigError: There is no such model or adapter.
    """
    for agent in team.agents:
        if isinstance(agent.model, str) and agent.model.startswith("hf/"):
            fetch(agent.model.removeprefix("hf/"))
    infos = {name: engine.info for name, engine in open_engines(team, engines).items()}
    agents = [
        {
            "role": agent.role,
            "name": agent.name,
            "model": infos[agent.name].model,
            "revision": infos[agent.name].revision,
            "base_url": agent.base_url,
            "adapter": _weights(agent.adapter),
            "sampling": repr(agent.sampling),
            "examples": agent.examples,
            "method": (agent.method, agent.reduce, agent.separator)
            if isinstance(agent, Verifier)
            else None,
        }
        for agent in team.agents
    ]
    grader = type(team.grader).__name__ if team.grader else None
    return json.dumps([agents, grader, repr(budget), seed])


def key_of(problem: Problem, problems: ProblemSet, strategy: str, settings: str) -> str:
    """Return the key of an outcome: 24 hexadecimal digits."""
    examples = [example.model_dump_json() for example in problems.examples]
    parts = json.dumps([problems.name, problem.model_dump_json(), examples, strategy, settings])
    return blake2b(parts.encode(), digest_size=12).hexdigest()


def seconds_of(lines: Sequence[Line]) -> float:
    """Return the wall time of a set and strategy, over all runs that worked on it."""
    latest: dict[str, float] = {}
    for line in lines:
        latest[line.run] = max(line.elapsed, latest.get(line.run, 0.0))
    return sum(latest.values())


def _weights(adapter: str | None) -> str | None:
    if adapter is None or not Path(adapter).is_dir():
        return adapter
    return fingerprint(Path(adapter))
