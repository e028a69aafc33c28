"""Rollouts by our strategies: which tokens are trained, where they begin, what they earn."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_rows import QUESTION, start

import cogitate as cg
from cogitate.errors import ConfigError
from cogitate.graphs import Thought, ThoughtGraph
from cogitate.inference import HF, Completion, Prefix, Request, Scripted
from cogitate.training import (
    CurrentWeights,
    GRPOSettings,
    LoRA,
    Optimisation,
    Rollout,
    StrategySampler,
    train_grpo,
)
from cogitate.training.rewards import Member, Part, Weighted
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.begun import Begun

NOW = CurrentWeights("scripted", None, 0)


async def length(graph: ThoughtGraph, thought: Thought) -> float | None:
    """A reward: how long it is."""
    return float(len(thought.text)) if thought.text else None


def spoken(request: Request) -> Completion:
    """A model whose tokens are the characters of what it says; it is told what it was given."""
    given = "" if request.prefix is None else request.prefix.text
    said = f"{request.role[0]}{request.sample}." if "\n" in given else f"{request.role[0]}\n\n"
    return Completion(
        text=said.removesuffix("\n\n"),
        stop="\n\n" if said.endswith("\n\n") else None,
        prompt_ids=(0, *map(ord, given)),
        token_ids=tuple(map(ord, said)),
        logprobs=(-0.5,) * len(said),
        model="scripted",
    )


def sampler(strategy: cg.Strategy, **more: object) -> StrategySampler:
    engine = Scripted(spoken)
    made = StrategySampler(team=lambda _: cg.Team.of(engine), strategy=strategy, reward=length)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def sample(made: StrategySampler, *starts: PromptRow) -> list[Rollout]:
    return list(asyncio.run(made(starts, NOW)))


async def in_two_steps(d: cg.Deliberation) -> Thought:
    [first] = await d.steps(1)
    first.scores["prm"] = 0.25
    [second] = await d.finish(first)
    return second


def test_a_reply_is_trained_with_its_own_tokens() -> None:
    [found] = sample(sampler(cg.Direct()), start())
    assert found == Rollout(
        prompt_ids=(0,),
        completion_ids=tuple(map(ord, "g\n\n")),
        logprobs=(-0.5,) * 3,
        reward=1.0,
        step_rewards=(1.0,),
        step_ends=(2,),
        right=False,
        formed=False,
    )


def test_steps_that_go_on_from_each_other_are_one_stream() -> None:
    [found] = sample(sampler(in_two_steps), start())
    assert "".join(map(chr, found.completion_ids)) == "g\n\ng0."
    assert found.prompt_ids == (0,)
    assert found.step_ends == (2, 5)
    assert found.step_rewards == (0.25, found.reward)


def test_only_the_words_of_the_trained_role_are_trained() -> None:
    made = sampler(cg.SelfRefine(rounds=1), role="critic")
    [found] = sample(made, start())
    assert "".join(map(chr, found.completion_ids))[0] == "c"


def test_a_restart_begins_after_what_was_said() -> None:
    begun = start(prefix="so far\n", ids=(7, 8))
    seen: list[Request] = []

    def record(request: Request) -> Completion:
        seen.append(request)
        return spoken(request)

    engine = Scripted(record)
    texts: list[tuple[str, str]] = []

    async def reward(graph: ThoughtGraph, thought: Thought) -> float | None:
        texts.append((thought.prefix, thought.text))
        return 1.0

    made = StrategySampler(team=lambda _: cg.Team.of(engine), strategy=cg.Direct(), reward=reward)
    [found] = sample(made, begun)
    assert seen[0].prefix == Prefix("so far\n", (7, 8))
    assert texts == [("so far\n", "so far\ng0.")]
    assert "".join(map(chr, found.completion_ids)) == "g0."  # the beginning is part of the prompt


def test_a_restarted_chain_of_steps_knows_its_first_tokens() -> None:
    seen: list[Request] = []

    def record(request: Request) -> Completion:
        seen.append(request)
        return spoken(request)

    engine = Begun(Scripted(record), "generator", Prefix("so far\n", (7, 8)))

    async def ask(prefix: Prefix | None, role: str = "generator") -> None:
        await engine.complete(Request(messages=(QUESTION,), prefix=prefix, role=role))

    asyncio.run(ask(Prefix("so far\nand on", (9,))))
    asyncio.run(ask(Prefix("so far\nand on")))
    asyncio.run(ask(None, "critic"))
    assert [request.prefix for request in seen] == [
        Prefix("so far\nand on", (7, 8, 9)),
        Prefix("so far\nand on"),
        None,
    ]


def test_a_failed_call_is_a_reply_without_tokens() -> None:
    def fails(request: Request) -> Completion:
        raise cg.EngineError("down")

    engine = Scripted(fails)
    made = StrategySampler(team=lambda _: cg.Team.of(engine), strategy=cg.Direct(), reward=length)
    assert sample(made, start()) == [Rollout(error="EngineError: down")]


def test_an_engine_that_tells_no_tokens_is_refused() -> None:
    engine = Scripted(["Answer: 42"] * 2)
    made = StrategySampler(team=lambda _: cg.Team.of(engine), strategy=cg.Direct(), reward=length)
    with pytest.raises(ConfigError, match="tells no tokens"):
        sample(made, start())


def test_a_team_without_the_role_is_refused() -> None:
    with pytest.raises(ConfigError, match="the team has no poet"):
        sample(sampler(cg.Direct(), role="poet"), start())


@dataclass
class Shortest:
    """A reward that compares the replies of a group, and counts its groups."""

    groups: list[int]

    async def __call__(self, graph: ThoughtGraph, thought: Thought, /) -> float | None:
        raise AssertionError("asked alone")

    async def of_group(self, members: Sequence[Member]) -> list[float | None]:
        self.groups.append(len(members))
        return [float(i) for i in range(len(members))]


def test_a_reward_that_compares_sees_each_group_by_itself() -> None:
    reward = Shortest([])
    made = sampler(cg.Direct(), reward=reward)
    found = sample(made, *[start("a")] * 2, *[start("b")] * 3)
    assert reward.groups == [2, 3]
    assert [one.reward for one in found] == [0.0, 1.0, 0.0, 1.0, 2.0]


def test_whether_the_team_is_right_is_told_whoever_is_trained_and_paid() -> None:
    def play(request: Request) -> Completion:
        text = {"generator": "41", "critic": "Accept: no", "refiner": "Answer: 42"}[request.role]
        return Completion(text=text, prompt_ids=(0,), token_ids=(1,), logprobs=(-0.5,))

    made = sampler(cg.SelfRefine(rounds=1), team=lambda _: cg.Team.of(Scripted(play)))
    for role, formed in (("generator", False), ("critic", True), ("refiner", True)):
        made.role = role
        [found] = sample(made, start())
        assert (found.right, found.formed) == (True, formed)


async def nothing(graph: ThoughtGraph, thought: Thought) -> float | None:
    return None


def test_the_parts_of_a_sum_are_kept_for_the_log() -> None:
    whole = Weighted((Part("length", length), Part("half", length, 0.5)))
    broken = Weighted((Part("length", length), Part("nothing", nothing)))
    [found] = sample(sampler(cg.Direct(), reward=whole), start())
    assert (found.reward, found.parts) == (1.5, {"length": 1.0, "half": 1.0})
    [found] = sample(sampler(cg.Direct(), reward=broken), start())
    assert (found.reward, found.parts, found.error) == (None, {"length": 1.0}, "")


def test_what_a_part_failed_with_is_told() -> None:
    async def fails(graph: ThoughtGraph, thought: Thought) -> float | None:
        raise TimeoutError("slow")

    [found] = sample(sampler(cg.Direct(), reward=Weighted((Part("own", fails),))), start())
    assert (found.reward, found.error) == (None, "own: TimeoutError: slow")


def test_rollouts_of_one_start_differ_and_come_again_with_the_same_seed(tiny_llama: Path) -> None:
    def draw(seed: int) -> list[Rollout]:
        engine = HF(tiny_llama)
        made = StrategySampler(
            team=lambda _: cg.Team.of(engine, temperature=1.0, max_tokens=6),
            strategy=cg.Direct(),
            reward=length,
            seed=seed,
        )
        starts = [start(), start(), start(prefix="6 * 7 = ", ids=(54, 32))]

        async def draw_and_close() -> list[Rollout]:
            found = await made(starts, NOW)
            await engine.close()
            return list(found)

        return asyncio.run(draw_and_close())

    first = draw(0)
    assert first[0].completion_ids != first[1].completion_ids
    assert first[2].prompt_ids == (*first[0].prompt_ids, 54, 32)
    assert [one.completion_ids for one in draw(0)] == [one.completion_ids for one in first]
    assert [one.completion_ids for one in draw(1)] != [one.completion_ids for one in first]


@pytest.mark.slow
def test_a_policy_learns_from_its_own_rollouts(tiny_llama: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_llama, tmp_path / "base")

    async def digits(graph: ThoughtGraph, thought: Thought) -> float | None:
        return sum(c.isdigit() for c in thought.text) / 8

    made = StrategySampler(
        team=lambda now: cg.Team.of(now.model, adapter=now.adapter, temperature=1.0, max_tokens=8),
        strategy=cg.Direct(),
        reward=digits,
    )
    how = Optimisation(learning_rate=1e-2, max_steps=25, batch_size=16)
    settings = GRPOSettings(
        optimisation=how, adapter=LoRA(rank=8), group=8, max_tokens=8, beta=0.01
    )
    trained = train_grpo([start("a"), start("b")], made, str(base), tmp_path / "out", settings)
    assert trained.counts["replies"] == 25 * 16
    assert trained.metrics["reward"] > 0.5  # it began near 0.05


def test_a_start_that_no_grader_can_grade_is_refused_before_anything_is_sampled() -> None:
    problem = cg.tasks.load("reasoning_gym/chain_sum?size=1&seed=7")[0]
    lonely = start().model_copy(
        update={
            "problem": problem.id,
            "question": problem.prompt,
            "reference": problem.reference,
            "kind": problem.kind,
        }
    )
    engine = Scripted(spoken)
    made = sampler(cg.Direct(), team=lambda _: cg.Team.of(engine))
    with pytest.raises(ConfigError, match=r"would earn nothing.* give problems="):
        sample(made, lonely)
    assert engine.calls == 0
    made.problems = {problem.id: problem}
    [found] = sample(made, lonely)
    assert found.reward is not None
