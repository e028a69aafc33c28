"""One team on two engines at once, while the server of one is killed and started again."""

import asyncio
from pathlib import Path

from servers import TransformersServer

import cogitate as cg
from cogitate.graphs import ThoughtKind

PROBLEMS = [cg.tasks.Problem(id=f"p{i}", prompt=f"What is {i} + {i}?") for i in range(10)]


def test_a_team_loses_nothing_when_its_critics_server_is_killed_and_restarted(
    tiny_llama: Path, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"

    async def main() -> cg.Report:
        with TransformersServer(tiny_llama, log) as server:
            team = cg.Team(
                generator=cg.Generator(f"hf/{tiny_llama}", max_tokens=12, examples=0),
                critic=cg.Critic(
                    f"openai/{server.model}", base_url=server.url, temperature=0.0, max_tokens=40
                ),
                refiner=cg.Refiner(f"hf/{tiny_llama}", max_tokens=12, examples=0),
            )
            three = asyncio.Event()
            finished: list[cg.graphs.Episode] = []

            def on_episode(episode: cg.graphs.Episode) -> None:
                finished.append(episode)
                if len(finished) == 3:
                    three.set()

            running = asyncio.create_task(
                cg.arun(
                    PROBLEMS, team, cg.SelfRefine(rounds=1), concurrency=4, on_episode=on_episode
                )
            )
            await asyncio.wait_for(three.wait(), 60)
            server.kill()
            assert len(finished) < len(PROBLEMS)
            await asyncio.to_thread(server.start)
            return await asyncio.wait_for(running, 120)

    report = asyncio.run(main())
    assert [episode.problem.id for episode in report.episodes] == [p.id for p in PROBLEMS]
    for episode in report.episodes:
        assert episode.result is not None and not episode.result.errors
        [critique] = episode.graph.thoughts(ThoughtKind.CRITIQUE)
        assert critique.source is not None and critique.source.model.startswith("openai/")
        draft, refined = episode.graph.thoughts(ThoughtKind.SOLUTION)
        assert draft.source is not None and draft.source.model.startswith("hf/")
        assert [thought.id for thought in episode.graph.parents(refined)] == [draft.id, critique.id]
    # Only the calls that were under way when the server died may have been made twice.
    calls = log.read_text().count('/v1/chat/completions HTTP/1.1"')
    assert len(PROBLEMS) <= calls <= len(PROBLEMS) + 4
