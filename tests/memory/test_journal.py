"""The journal: what names a line, what is asked again, and lines that cannot be trusted."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.errors import EngineError, EngineRefused, EngineUnavailable
from cogitate.inference import (
    Completion,
    EngineInfo,
    Message,
    Prefix,
    Request,
    Sampling,
    Scripted,
    Usage,
)
from cogitate.inference.engine import Price
from cogitate.memory.database import Database
from cogitate.memory.journal import Journal
from cogitate.memory.schema import MIGRATIONS

ASK = Request(messages=(Message("user", "6 * 7?"),), position="here", problem="p", seed=0)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "runs.db", MIGRATIONS, durability="normal") as made:
        yield made


class Numbered(Scripted):
    """Says how many samples it has given, so that a sample asked twice shows."""

    def __init__(self) -> None:
        self.given = 0
        super().__init__(lambda request: f"{request.position} {request.sample} {self.next()}")

    def next(self) -> int:
        self.given += 1
        return self.given


def complete(db: Database, engine: Scripted, request: Request, **weights: str) -> list[Completion]:
    """Ask through a journal that was opened anew, as a resumed run does."""
    return asyncio.run(Journal(db, 1, weights).around(engine).complete(request))


def texts(db: Database, engine: Scripted, request: Request, **weights: str) -> list[str]:
    return [completion.text for completion in complete(db, engine, request, **weights)]


def test_an_ask_is_answered_once(db: Database) -> None:
    engine = Numbered()
    first = complete(db, engine, replace(ASK, n=3))
    assert complete(db, engine, replace(ASK, n=3)) == first
    assert engine.given == 3


def test_tokens_and_probabilities_come_back_exactly(db: Database) -> None:
    whole = Completion(
        text="Antwort: „42“ \U0001f9e0",
        reasoning="Six sevens.",
        finish="length",
        stop="\n",
        usage=Usage(9, 4, 3, 1, 0.1 + 0.2),
        prompt_ids=(1, 2, 2**31),
        token_ids=(7, 0, 151_643),
        logprobs=(-1e-300, -0.1, -12.000000000000002),
        model="scripted/script",
        revision="r1",
        adapter="a",
        adapter_revision="f00",
        latency=0.123,
    )
    assert complete(db, Scripted([whole]), ASK) == [whole]
    assert complete(db, Scripted(["another"]), ASK) == [whole]


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, position="there"),
        replace(ASK, messages=(Message("user", "6 * 8?"),)),
        replace(ASK, messages=(Message("system", "6 * 7?"),)),
        replace(ASK, sampling=Sampling(temperature=0.2)),
        replace(ASK, sampling=Sampling(max_tokens=7)),
        replace(ASK, prefix=Prefix("Six")),
        replace(ASK, prefix=Prefix("Six", (6,))),
        replace(ASK, adapter="worn"),
        replace(ASK, schema="{}"),
        replace(ASK, seed=1),
        replace(ASK, sample=1),
    ],
)
def test_what_decides_the_answer_names_the_line(other: Request, db: Database) -> None:
    engine = Numbered()
    assert texts(db, engine, ASK) != texts(db, engine, other)
    assert engine.given == 2


def test_who_asks_does_not_name_the_line(db: Database) -> None:
    engine = Numbered()
    asker = replace(ASK, agent="critic-2", role="critic", operation="critique")
    assert texts(db, engine, ASK) == texts(db, engine, asker)


def test_adapters_are_told_apart_by_their_weights_and_not_by_their_folders(db: Database) -> None:
    engine = Numbered()
    here, there = replace(ASK, adapter="here"), replace(ASK, adapter="there")
    first = texts(db, engine, here, here="f00")
    assert texts(db, engine, there, there="f00") == first
    assert texts(db, engine, here, here="ba5") != first


def test_another_model_and_another_revision_are_asked_anew(db: Database) -> None:
    first, second, third = Numbered(), Numbered(), Numbered()
    second.info = replace(second.info, model="scripted/other")
    third.info = replace(third.info, revision="2")
    for engine in (first, second, third):
        texts(db, engine, ASK)
    assert (first.given, second.given, third.given) == (1, 1, 1)


def test_of_n_samples_only_those_that_are_missing_are_asked(db: Database) -> None:
    engine = Numbered()
    assert texts(db, engine, replace(ASK, n=2, sample=1)) == ["here 1 1", "here 2 2"]
    assert texts(db, engine, replace(ASK, n=4)) == [
        "here 0 3",
        "here 1 1",
        "here 2 2",
        "here 3 4",
    ]
    assert engine.given == 4


@pytest.mark.parametrize("parts", [[(0, 4)], [(0, 1), (1, 3)], [(2, 1), (1, 2), (0, 4)], [(3, 1)]])
def test_an_ask_costs_the_same_in_whatever_parts_it_was_answered(
    parts: list[tuple[int, int]], db: Database
) -> None:
    engine = Numbered()
    engine.info = replace(engine.info, price=Price(prompt=2.0, completion=10.0))
    for sample, n in parts:
        given = complete(db, engine, replace(ASK, sample=sample, n=n))
        assert [one.usage.prompt for one in given] == [3, *[0] * (n - 1)]
    given = complete(db, engine, replace(ASK, n=4))
    assert [one.usage.prompt for one in given] == [3, 0, 0, 0]


def test_two_runs_that_ask_for_the_same_at_once_are_given_the_same(db: Database) -> None:
    async def scenario() -> None:
        engine = Numbered()
        journals = [Journal(db, 1, {}), Journal(db, 1, {})]
        asked = [journal.around(engine).complete(replace(ASK, n=2)) for journal in journals]
        first, second = await asyncio.gather(*asked)
        assert engine.given == 4
        assert first == second

    asyncio.run(scenario())


def test_scores_and_ratings_are_kept(db: Database) -> None:
    calls = 0

    def counted(value: float) -> float:
        nonlocal calls
        calls += 1
        return value

    engine = Scripted(
        ["-"],
        logprob=lambda request, text: counted(-float(len(text))),
        reward=lambda request, steps: [counted(0.25) for _ in steps],
    )

    async def ask() -> object:
        around = Journal(db, 1, {}).around(engine)
        return await around.score(ASK, ["yes", "no"]), await around.rate(ASK, ["a", "b"])

    first = asyncio.run(ask())
    assert asyncio.run(ask()) == first
    assert calls == 4


class Failing(Scripted):
    """Fails the first times, with an error."""

    def __init__(self, error: EngineError, times: int = 10**9) -> None:
        super().__init__(["Answer: 42"])
        self._error = error
        self._times = times
        self.tried = 0

    async def complete(self, request: Request) -> list[Completion]:
        self.tried += 1
        if self.tried <= self._times:
            raise self._error
        return await super().complete(request)


def test_a_refusal_is_kept_and_not_asked_for_again(db: Database) -> None:
    engine = Failing(EngineRefused("it will not"))
    for _ in range(2):
        with pytest.raises(EngineRefused, match="it will not"):
            complete(db, engine, ASK)
    assert engine.tried == 1


def test_what_may_work_now_is_tried_again_but_fails_again_in_a_replay(db: Database) -> None:
    engine = Failing(EngineUnavailable("it is away"), times=1)
    with pytest.raises(EngineUnavailable):
        complete(db, engine, ASK)
    with pytest.raises(EngineUnavailable, match="it is away"):
        asyncio.run(Journal(db, 1, {}, replay=True).around(engine).complete(ASK))
    assert engine.tried == 1
    assert texts(db, engine, ASK) == ["Answer: 42"]
    assert engine.tried == 2


def test_an_engine_that_gives_too_few_samples_is_refused(db: Database) -> None:
    class Short(Scripted):
        async def complete(self, request: Request) -> list[Completion]:
            return (await super().complete(request))[:1]

    with pytest.raises(EngineError, match="gave 1 completions for n=2"):
        complete(db, Short(["-"]), replace(ASK, n=2))


DAMAGES = [
    "text = 'here 0 9'",
    "sample = sample + 5",
    "logprobs = x'00'",
    "usage = '[[3,0,3,9,0.0],true,3,0.0]'",
    "usage = 'x'",
    "usage = '[]'",
    "finish = 'never'",
    "source = 99",
    "text = CAST(x'ff' AS TEXT)",
    "digest = x''",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_line_that_was_damaged_is_taken_out_and_asked_again(damage: str, tmp_path: Path) -> None:
    path, engine = tmp_path / "runs.db", Numbered()
    with Database(path, MIGRATIONS) as db:
        complete(db, engine, replace(ASK, n=2))
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER completions_keep")
    raw.execute(f"UPDATE completions SET {damage} WHERE sample = 0")
    raw.commit()
    raw.close()
    with Database(path, MIGRATIONS) as db:
        journal = Journal(db, 1, {})
        assert journal.damaged == 1
        given = asyncio.run(journal.around(engine).complete(replace(ASK, n=2)))
        assert [one.text for one in given] == ["here 0 3", "here 1 2"]
        assert Journal(db, 1, {}).damaged == 0


def test_nothing_that_was_kept_can_be_rewritten_by_mistake(db: Database) -> None:
    complete(db, Numbered(), ASK)
    with pytest.raises(Exception, match="completions are append-only"):
        db.write_now(lambda db: db.execute("UPDATE completions SET text = ''"))


def test_the_journal_is_as_its_engine_in_all_else(db: Database) -> None:
    engine = Scripted(["-"])
    around = Journal(db, 1, {}).around(engine)
    assert around.info == EngineInfo(model="scripted/script")
    assert around.count(ASK) == 3
    asyncio.run(around.close())
    assert asyncio.run(engine.complete(ASK))
