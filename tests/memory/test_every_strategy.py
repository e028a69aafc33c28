"""Every strategy, without being told of it: kept whole, gone on with, replayed without calls."""

import asyncio
import random
from pathlib import Path

import pytest
from searches import NAMES, draw, problem_for, small, team
from thinker import Thinker

import cogitate as cg
from cogitate.graphs import strategy_named
from cogitate.inference import Request
from cogitate.memory import RunStore
from cogitate.memory.write_episode import content_of


def contents(report: cg.Report) -> list[object]:
    return [content_of(episode) for episode in report.episodes]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_was_thought_and_a_replay_thinks_it_without_a_model(
    name: str, tmp_path: Path
) -> None:
    with RunStore(tmp_path / "runs.db", durability="normal") as store:
        for seed in range(3):
            named = draw(name, random.Random(seed))
            problems = [problem_for(named, seed)]
            minds = [
                Thinker(seed, judges="process", name="mind-0"),
                Thinker(seed + 1, failing=0.1, name="mind-1"),
            ]

            def think(
                kept: RunStore | None = None,
                *,
                replay: bool = False,
                named: str = named,
                seed: int = seed,
                minds: list[Thinker] = minds,
                problems: list[cg.tasks.Problem] = problems,
            ) -> cg.Report:
                return cg.run(
                    problems,
                    team(*minds),
                    strategy_named(named),
                    budget=cg.Budget(tokens=20_000),
                    seed=seed,
                    store=kept,
                    replay=replay,
                )

            alone, kept = think(), think(store)
            assert contents(kept) == contents(alone), named
            [before], [after] = list(alone.episodes), list(kept.episodes)
            assert after.graph.to_json() == before.graph.to_json()
            assert (kept.correct, kept.usage.calls) == (alone.correct, alone.usage.calls)

            asked = [len(mind.requests) for mind in minds]
            again = think(store, replay=True)
            assert [len(mind.requests) for mind in minds] == asked
            assert contents(again) == contents(alone)
        assert len(list(store.episodes())) == 3
        assert not store.quarantined


@pytest.mark.parametrize("name", NAMES)
def test_a_search_that_was_stopped_goes_on_where_it_was_and_ends_as_if_it_had_not_been(
    name: str, tmp_path: Path
) -> None:
    strategy = strategy_named(small(name, parallel=3))
    problems = [problem_for(small(name))]

    def thinker(passing: int) -> tuple[Thinker, asyncio.Event, list[int]]:
        hangs, answered = asyncio.Event(), [0]

        async def before(request: Request) -> None:
            if answered[0] >= passing:
                hangs.set()
                await asyncio.Event().wait()
            answered[0] += request.n

        return Thinker(before=before), hangs, answered

    async def scenario() -> None:
        mind, _, samples = thinker(10**9)
        whole = await cg.arun(problems, team(mind), strategy)
        for part in sorted({0, samples[0] // 3, samples[0] - 1}):
            with RunStore(tmp_path / f"{part}.db", durability="normal") as store:
                mind, hangs, before = thinker(part)
                stop = asyncio.Event()
                run = asyncio.ensure_future(
                    cg.arun(problems, team(mind), strategy, store=store, stop=stop)
                )
                hung = asyncio.ensure_future(hangs.wait())
                await asyncio.wait({run, hung}, return_when=asyncio.FIRST_COMPLETED)
                hung.cancel()
                for _ in range(50):  # whatever was answered comes to be asked to be kept
                    await asyncio.sleep(0)
                await store.db.write(lambda _: None)  # and has been kept before this
                stop.set()
                report = await run
                assert report.interrupted is hangs.is_set()

                mind, _, after = thinker(10**9)
                report = await cg.arun(problems, team(mind), strategy, store=store)
                assert contents(report) == contents(whole)
                assert before[0] + after[0] <= samples[0]

    asyncio.run(scenario())
