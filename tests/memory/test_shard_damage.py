"""Damage to shards and their manifest: what is read is what was written, or nothing is read."""

import random
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from harms import harm
from searches import team
from thinker import Thinker

import cogitate as cg
from cogitate.errors import CogitateError, DataError
from cogitate.inference import Scripted
from cogitate.memory import RunStore
from cogitate.memory.write_episode import content_of

PROBLEMS = [cg.tasks.Problem(id=f"p{i}", prompt=f"{i}?", reference=f"{i}") for i in range(16)]
STRATEGIES: list[cg.Strategy] = [cg.SelfRefine(rounds=2), cg.BestOfN(n=9), cg.Direct()]


class Whole(NamedTuple):
    """A store of several shards, and what it says."""

    folder: Path
    episodes: Mapping[int, object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    with RunStore(folder / "runs.db", durability="normal") as store:
        for how in STRATEGIES:
            cg.run(PROBLEMS, team(Thinker()), how, store=store)
        episodes = {one.id: content_of(one) for one in store.episodes()}
        assert store.spill(thoughts=120).shards == 4
    return Whole(folder, episodes)


def copy(whole: Whole, to: Path) -> Path:
    shutil.copytree(whole.folder, to)
    return to / "runs.db"


def read(path: Path, whole: Whole) -> tuple[int, int]:
    """How many episodes were read, each exactly, and how many were told to be damaged."""
    with RunStore(path) as store:
        count = 0
        for episode in store.episodes():
            assert content_of(episode) == whole.episodes[episode.id]
            count += 1
        return count, len(store.quarantined)


def damage(times: int, seed: int, whole: Whole, place: Path) -> Counter[str]:
    """What harms came to: each is told of, and every other episode is read."""
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(times):
        path = copy(whole, place)
        files = sorted((place / "runs.db-shards").iterdir())
        file = chance.choice([*files, *(f for f in files if f.suffix == ".parquet")])
        before = file.read_bytes()
        harm(file, chance.choice(["flip", "flip", "flip", "cut", "zero"]), chance)
        changed = file.read_bytes() != before
        count, damaged = read(path, whole)
        assert count + damaged == len(whole.episodes)
        with RunStore(path) as store:
            assert list(store.check_shards()) == [file.name] * changed
        found["manifest" if file.suffix == ".json" else "shard"] += 1
        found["lost some" if damaged else "harmless"] += 1
        found["episodes left out"] += damaged
        if file.suffix == ".json":
            assert damaged == 0
        shutil.rmtree(place)
    return found


def test_what_is_not_harmed_is_read(whole: Whole, tmp_path: Path) -> None:
    assert read(copy(whole, tmp_path / "place"), whole) == (48, 0)


def test_harms_are_told_of_or_change_nothing(whole: Whole, tmp_path: Path) -> None:
    found = damage(20, 1, whole, tmp_path / "place")
    assert found["lost some"] >= 3
    assert found["harmless"] >= 3


@pytest.mark.slow
def test_a_thousand_harms_are_told_of_or_change_nothing(whole: Whole, tmp_path: Path) -> None:
    found = damage(1_000, 2, whole, tmp_path / "place")
    print(dict(found))
    assert found["lost some"] >= 100
    assert found["harmless"] >= 100


def test_a_shard_that_is_missing_is_told_and_the_others_are_read(
    whole: Whole, tmp_path: Path
) -> None:
    path = copy(whole, tmp_path / "place")
    gone = path.with_name("runs.db-shards") / "000001.parquet"
    kept = gone.read_bytes()
    gone.unlink()
    count, damaged = read(path, whole)
    assert count > 0
    assert damaged > 0
    assert count + damaged == 48
    with RunStore(path) as store:
        [(name, why)] = store.check_shards().items()
        assert (name, "bring it back" in why) == ("000001.parquet", True)
        list(store.episodes())
        assert "bring it back from a copy" in next(iter(store.quarantined.values()))
        assert store.runs()[0].finished == 16
        assert len(store.listing(store.runs()[0].key)) == 16
    gone.write_bytes(kept)
    assert read(path, whole) == (48, 0)


def test_a_shard_of_another_store_is_not_read(whole: Whole, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with RunStore(other, durability="normal") as store:
        for how in STRATEGIES:
            say = team(Thinker(seed=5))
            cg.run(PROBLEMS, say, how, store=store)
        store.spill(thoughts=120)
    path = copy(whole, tmp_path / "place")
    shutil.copy(tmp_path / "other.db-shards" / "000001.parquet", tmp_path / "place/runs.db-shards")
    count, damaged = read(path, whole)
    assert count + damaged == 48
    assert damaged >= 5
    with RunStore(path) as store:
        assert list(store.check_shards()) == ["000001.parquet"]


def test_shards_that_changed_places_are_not_read(whole: Whole, tmp_path: Path) -> None:
    path = copy(whole, tmp_path / "place")
    folder = path.with_name("runs.db-shards")
    shutil.copy(folder / "000001.parquet", folder / "000002.parquet")
    count, damaged = read(path, whole)
    assert count + damaged == 48
    assert damaged > 0


@pytest.mark.parametrize("name", ["../runs.db", "/etc/passwd", "x.parquet", "000001.parquet/../x"])
def test_a_shard_is_looked_for_in_its_folder_alone(name: str, whole: Whole, tmp_path: Path) -> None:
    path = copy(whole, tmp_path / "place")
    with RunStore(path) as store:
        store.db.write_now(lambda db: list(db.execute("UPDATE episodes SET shard = ?", (name,))))
        assert list(store.episodes()) == []
        assert "no shard has such a name" in store.quarantined[1]


def test_a_link_is_not_followed(whole: Whole, tmp_path: Path) -> None:
    path = copy(whole, tmp_path / "place")
    shard = path.with_name("runs.db-shards") / "000001.parquet"
    shard.rename(tmp_path / "elsewhere.parquet")
    shard.symlink_to(tmp_path / "elsewhere.parquet")
    with RunStore(path) as store:
        next(store.episodes())
        assert "it is a link" in next(iter(store.quarantined.values()))


def test_a_manifest_that_is_damaged_is_told_and_written_anew(whole: Whole, tmp_path: Path) -> None:
    path = copy(whole, tmp_path / "place")
    manifest = path.with_name("runs.db-shards") / "manifest.json"
    manifest.write_text("{}")
    with RunStore(path) as store:
        assert list(store.check_shards()) == ["manifest.json"]
        more = [cg.tasks.Problem(id="more", prompt="more?", reference="1")]
        cg.run(more, team(Thinker()), cg.Direct(), store=store)
        assert store.spill().episodes == 1
        assert store.check_shards() == {}


def test_a_damaged_group_costs_no_other_group_and_no_row_is_made_of_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    right = Scripted(lambda r: f"Answer: {r.problem[1:]}\nAccept: yes\nScore: 0.5")
    with RunStore(path, durability="normal") as store:
        cg.run(PROBLEMS, cg.Team.of(right), cg.BestOfN(n=50), store=store)
        assert store.spill().thoughts == 16 * 101
        rows = list(cg.training.harvest(store).sft())
    file = path.with_name("runs.db-shards") / "000001.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(content)
    with RunStore(path) as store:
        left = list(cg.training.harvest(store).sft())
        assert len(store.quarantined) == 10  # a group is of 1,000 thoughts and the episode's rest
        problems = {f"p{i}" for i in range(10, 16)}
        assert left == [row for row in rows if row.problem in problems]
        assert left


def test_what_a_damaged_shard_held_is_asked_again_and_is_not_replayed(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with RunStore(path, durability="normal") as store:
        cg.run(PROBLEMS[:4], team(Thinker()), cg.SelfConsistency(n=2), store=store)
        store.spill()
    (path.with_name("runs.db-shards") / "000001.parquet").write_bytes(b"nothing")
    with RunStore(path) as store:
        with pytest.raises(DataError, match="bring it back from a copy"):
            cg.run(
                PROBLEMS[:4],
                team(Thinker()),
                cg.SelfConsistency(n=2),
                store=store,
                replay=True,
            )
        mind = Thinker()
        cg.run(PROBLEMS[:4], team(mind), cg.SelfConsistency(n=3), store=store)
        assert sum(request.n for request in mind.requests) == 12
        assert len(list(store.episodes())) == 4
        assert len(store.quarantined) == 4


def test_a_file_that_says_nonsense_of_its_shards_is_refused(whole: Whole, tmp_path: Path) -> None:
    path = copy(whole, tmp_path / "place")
    with RunStore(path) as store:
        store.db.write_now(lambda db: list(db.execute("UPDATE shards SET sha256 = 'x'")))
        with pytest.raises(CogitateError, match="what it says of its shards is damaged"):
            store.check_shards()
        assert len(list(store.episodes())) == 48
