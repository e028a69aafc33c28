"""What tells two stages of a loop apart: hashes of problems, teams, files and folders."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from cogitate.agents import Team
from cogitate.errors import ConfigError
from cogitate.graphs import Budget, Strategy
from cogitate.graphs.recording import Plan
from cogitate.graphs.solve import wait_for
from cogitate.inference import Engines
from cogitate.memory.run_record import record_of
from cogitate.tasks import Example, ProblemSet

__all__ = ["digest", "digest_of_problems", "digest_of_rows", "digest_of_team"]


def digest(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder with their names.

    Raises:
        ConfigError: There is nothing.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    said = hashlib.blake2b(digest_size=16)
    for file in files:
        said.update(f"{file.relative_to(path)}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while page := stream.read(1 << 20):
                said.update(page)
    return said.hexdigest()


def digest_of_problems(problems: ProblemSet) -> str:
    """Return the hash of problems in their order, and of their worked examples."""
    return digest_of_rows((*problems.examples, *problems))


def digest_of_rows(rows: Iterable[BaseModel]) -> str:
    """Return the hash of records in their order."""
    said = hashlib.blake2b(digest_size=16)
    for one in rows:
        said.update(one.model_dump_json().encode("utf-8", "surrogatepass") + b"\n")
    return said.hexdigest()


def digest_of_team(team: Team, strategy: Strategy, examples: Sequence[Example] = ()) -> str:
    """Return what equal teams that think alike have in common: weights, sampling, prompts.

    Raises:
        ConfigError: There is no such model or adapter.
    """
    engines = Engines()
    try:
        plan = Plan(
            problems=(),
            examples=examples,
            team=team,
            strategy=strategy,
            budget=Budget(),
            seed=0,
        )
        return record_of(plan, engines).key
    finally:
        wait_for(engines.close())
