"""What SCST and MIXER ask of a sampler besides replies: greedy baselines, and given beginnings."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from small_rows import start

from cogitate.training import CurrentWeights, Rollout
from cogitate.training.rows import PromptRow
from cogitate.training.trainers.greedy_baseline import WithGreedy
from cogitate.training.trainers.mixer_sampler import Given, MixedSampler, TailSchedule

PROMPT = (1, 2)


@dataclass
class Pays:
    """A sampler that continues each start with one token, and pays by the problem."""

    rewards: dict[str, float | None]
    asked: list[PromptRow] = field(default_factory=list)
    closed: bool = False

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        self.asked = list(starts)
        return [
            Rollout(
                prompt_ids=(*PROMPT, *(one.prefix_ids or ())),
                completion_ids=(9,),
                logprobs=(-0.5,),
                reward=self.rewards[one.problem],
            )
            for one in starts
        ]

    async def close(self) -> None:
        self.closed = True


def starts(*problems: str) -> list[PromptRow]:
    return [start().model_copy(update={"problem": one, "prefix": ""}) for one in problems]


def at(step: int) -> CurrentWeights:
    return CurrentWeights("hf/m", "adapter", step)


def test_each_reply_stands_against_the_greedy_one_of_its_start() -> None:
    sampler, greedy = Pays({"a": 1.0, "b": 0.0}), Pays({"a": 0.25, "b": 0.5})
    found = asyncio.run(WithGreedy(sampler, greedy)(starts("a", "a", "b"), at(0)))
    assert [(one.reward, one.baseline) for one in found] == [(1.0, 0.25), (1.0, 0.25), (0.0, 0.5)]
    assert [one.problem for one in greedy.asked] == ["a", "b"]  # once for each
    assert found[2].baseline == 0.5


def test_a_start_without_a_greedy_reward_teaches_nothing() -> None:
    both = WithGreedy(Pays({"a": 1.0}), Pays({"a": None}))
    [found] = asyncio.run(both(starts("a"), at(0)))
    assert found.reward is None


def test_both_samplers_are_closed() -> None:
    sampler, greedy = Pays({}), Pays({})
    asyncio.run(WithGreedy(sampler, greedy).close())
    assert sampler.closed and greedy.closed


@pytest.mark.parametrize(
    ("step", "forced", "ids"),
    [
        (0, 4, (5, 6, 7, 8)),  # all of it is imitated, and nothing is sampled
        (1, 4, (5, 6, 7, 8)),
        (2, 3, (5, 6, 7, 9)),  # an end of one token begins to be sampled
        (3, 2, (5, 6, 9)),
        (5, 0, (9,)),
    ],
)
def test_the_sampled_end_grows_as_the_schedule_says(
    step: int, forced: int, ids: tuple[int, ...]
) -> None:
    sampler = Pays({"a": 1.0})
    mixed = MixedSampler(
        sampler,
        {"a": Given(PROMPT, (5, 6, 7, 8))},
        lambda tokens: "".join(map(str, tokens)),
        TailSchedule(warm_up=2, every=1, by=1),
    )
    [found] = asyncio.run(mixed(starts("a"), at(step)))
    assert (found.prompt_ids, found.completion_ids, found.forced) == (PROMPT, ids, forced)
    assert len(found.logprobs or ()) == len(ids)
    assert [one.prefix_ids for one in sampler.asked] == (
        [] if step < 2 else [(5, 6, 7, 8)[:forced]] if forced else [start().prefix_ids]
    )
