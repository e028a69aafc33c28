"""Random damage to a store's files: what is read is what was written, or nothing is read of it."""

import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from harms import harm
from searches import team
from thinker import Thinker

import cogitate as cg
from cogitate.errors import CogitateError
from cogitate.memory import CreditRow, RunStore
from cogitate.memory.write_episode import content_of

PROBLEMS = [cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=f"{i}") for i in range(6)]
STRATEGIES: list[cg.Strategy] = [cg.SelfRefine(rounds=2), cg.BestOfN(n=3), cg.Direct()]


class Whole(NamedTuple):
    """A store's files, all in the main one or half in the WAL, and what they say."""

    folders: list[Path]
    episodes: Mapping[tuple[str, str], object]
    credits: list[CreditRow]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    for name in ("open", "closed"):
        (folder / name).mkdir()
    path = folder / "runs.db"
    with RunStore(path) as store:
        for how in STRATEGIES:
            cg.run(PROBLEMS, team(Thinker()), how, store=store)
        episodes = {(e.run, e.problem.id): content_of(e) for e in store.episodes()}
        [first, *_] = store.episodes()
        credit = CreditRow(first.graph.in_order()[1].id, "value", 0.5, 3, 0.1, 0.9, True, None, "x")
        store.append_rows(first.id, [credit])
        for file in folder.glob("runs.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder / "open" / file.name)
    shutil.copy(path, folder / "closed")
    yield Whole([folder / "open", folder / "closed"], episodes, [credit])


def read(path: Path, whole: Whole) -> tuple[int, int]:
    """How many episodes were read, each exactly, and how many were told to be damaged."""
    try:
        with RunStore(path) as store:
            read = {(e.run, e.problem.id): content_of(e) for e in store.episodes()}
            credits = [row for number in range(1, 19) for row in store.credits(number)]
            store.runs()
    except CogitateError:
        return 0, 1
    for place, content in read.items():
        assert whole.episodes[place] == content
    assert all(row in whole.credits for row in credits)
    return len(read), len(store.quarantined)


def damage(times: int, seed: int, whole: Whole, folder: Path) -> tuple[int, int]:
    """How many harms were told of, and how many changed nothing that is read."""
    chance = random.Random(seed)
    told = harmless = 0
    for _ in range(times):
        place = folder / "place"
        shutil.copytree(chance.choice(whole.folders), place)
        files = [
            f for f in place.iterdir() if f.name.endswith((".db", "-wal")) and f.stat().st_size
        ]
        harm(chance.choice(files), chance.choice(["flip", "flip", "flip", "cut", "zero"]), chance)
        count, damaged = read(place / "runs.db", whole)
        told += damaged > 0
        harmless += count == len(whole.episodes)
        shutil.rmtree(place)
    return told, harmless


def test_what_is_not_harmed_is_read(whole: Whole) -> None:
    for folder in whole.folders:
        assert read(folder / "runs.db", whole) == (18, 0)


def test_harms_are_told_of_or_change_nothing(whole: Whole, tmp_path: Path) -> None:
    told, harmless = damage(60, 1, whole, tmp_path)
    assert told >= 5
    assert harmless >= 5


@pytest.mark.slow
def test_a_thousand_harms_are_told_of_or_change_nothing(whole: Whole, tmp_path: Path) -> None:
    told, harmless = damage(1_000, 2, whole, tmp_path)
    assert told >= 100
    assert harmless >= 100
