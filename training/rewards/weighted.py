"""Sums of rewards, with every part kept: what a policy was paid for can be read afterwards."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cogitate.errors import ConfigError, StoreError
from cogitate.graphs import Thought, ThoughtGraph, gather
from cogitate.training.described import described
from cogitate.training.rewards.format import FormatReward
from cogitate.training.rewards.judge import Gated, JudgeReward
from cogitate.training.rewards.judge_audit import JudgeAudit
from cogitate.training.rewards.length import LengthReward, OverlongPenalty
from cogitate.training.rewards.model import ModelReward
from cogitate.training.rewards.outcome import AgreementReward, OutcomeReward
from cogitate.training.rewards.reflection import ReflectionReward
from cogitate.training.rewards.reward import GroupReward, Member, Reward

__all__ = ["Part", "Scored", "Weighted", "satori_sum"]


Kind = Literal["rule", "model", "judge", "own"]


class Part(NamedTuple):
    """One reward of a sum."""

    name: str
    reward: Reward
    weight: float = 1.0

    @property
    def kind(self) -> Kind:
        """Who is behind it: a judge, where one has a say at all; `own` is not ours to know."""
        kinds = {_kind(reward) for reward in _within(self.reward)}
        return next(kind for kind in ("judge", "model", "own", "rule") if kind in kinds)

    @property
    def audits(self) -> tuple[JudgeAudit | None, ...]:
        """What was measured of each judge in it; None of one that was not."""
        judges = [one for one in _within(self.reward) if isinstance(one, JudgeReward)]
        return tuple(judge.audit for judge in judges)


@dataclass(frozen=True, slots=True)
class Scored:
    """What one thought was given."""

    thought: str
    """Its id."""
    total: float | None
    """None where a part is: a sum without a part would be another reward."""
    parts: Mapping[str, float | None]
    """By name, before weights."""
    error: str = ""
    """What a part failed with."""


@described(
    "weighted",
    needs="other rewards",
    costs="those of its parts",
    pays="where several things count: every part is kept apart in the report",
)
@dataclass(frozen=True)
class Weighted:
    """A weighted sum of rewards."""

    parts: Sequence[Part]

    def __post_init__(self) -> None:
        """Refuse sums of nothing, two parts of one name and weights that are no number."""
        names = [part.name for part in self.parts]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"Weighted({names}): give one part or more, each its own name")
        for part in self.parts:
            if not math.isfinite(part.weight):
                raise ConfigError(f"the weight of {part.name!r} is {part.weight}: give a number")

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the sum; None where a part is None."""
        [scored] = await self.of_members([Member(graph, thought)], alone=True)
        return scored.total

    async def of_group(self, members: Sequence[Member]) -> list[float | None]:
        """Return the sum of each of a group; parts that compare members see all of them."""
        return [scored.total for scored in await self.of_members(members)]

    async def of_members(self, members: Sequence[Member], *, alone: bool = False) -> list[Scored]:
        """Return each sum with its parts. All parts of all members are asked for at once.

        What one part raises is kept on its thought, and the others go on: a bad reply is data.

        Args:
            members: Replies to one prompt.
            alone: Each is compared with its siblings in its own graph, not with these members.

        Raises:
            ConfigError: Something must be changed first.
            StoreError: A store failed.
        """
        by_part = await gather(_values(part, members, alone) for part in self.parts)
        return [self._sum(member, [of[i] for of in by_part]) for i, member in enumerate(members)]

    def _sum(self, member: Member, values: Sequence[float | Exception | None]) -> Scored:
        failed = [
            f"{part.name}: {type(value).__name__}: {value}"
            for part, value in zip(self.parts, values, strict=True)
            if isinstance(value, Exception)
        ]
        found = [None if isinstance(value, Exception) else value for value in values]
        there = [value for value in found if value is not None]
        total = None
        if len(there) == len(found):
            weights = [part.weight for part in self.parts]
            total = sum(w * value for w, value in zip(weights, there, strict=True))
        names = [part.name for part in self.parts]
        parts = dict(zip(names, found, strict=True))
        return Scored(member.thought.id, total, parts, "; ".join(failed))


@described(
    "satori",
    paper="Satori, Shen et al. 2025, arXiv:2502.02508",
    needs="grades, an outcome model, and restart states",
    costs="a grade and a rating of each reply",
    pays="for chains that reflect, with restarts",
)
def satori_sum(orm: Reward | None, reflection: ReflectionReward | None = None) -> Weighted:
    """Return Satori's reward: (1[correct] - 1) + the reward model's sigmoid + the bonus.

    Without a reward model it is the other two.
    """
    outcome = Part("outcome", OutcomeReward(right=0.0, wrong=-1.0))
    rated = () if orm is None else (Part("orm", orm),)
    return Weighted((outcome, *rated, Part("reflection", reflection or ReflectionReward())))


_RULES = (
    AgreementReward,
    FormatReward,
    LengthReward,
    OutcomeReward,
    OverlongPenalty,
    ReflectionReward,
)


def _kind(reward: Reward) -> Kind:
    if isinstance(reward, JudgeReward):
        return "judge"
    if isinstance(reward, ModelReward):
        return "model"
    return "rule" if isinstance(reward, _RULES) else "own"


def _within(reward: Reward) -> list[Reward]:
    """A reward, or those that it is made of."""
    if isinstance(reward, Gated):
        return [*_within(reward.gate), *_within(reward.then)]
    if isinstance(reward, Weighted):
        return [one for part in reward.parts for one in _within(part.reward)]
    return [reward]


async def _values(
    part: Part, members: Sequence[Member], alone: bool
) -> Sequence[float | Exception | None]:
    reward = part.reward
    if isinstance(reward, GroupReward) and not alone:
        try:
            found = await reward.of_group(members)
        except (ConfigError, StoreError):
            raise
        except Exception as error:
            return [error] * len(members)
        if len(found) != len(members):
            raise ConfigError(
                f"{part.name} gave {len(found)} rewards to {len(members)} members: of_group must "
                "give one to each"
            )
        return [None if value is None else float(value) for value in found]
    return await gather(_value(reward, member) for member in members)


async def _value(reward: Reward, member: Member) -> float | Exception | None:
    try:
        value = await reward(member.graph, member.thought)
        return None if value is None else float(value)
    except (ConfigError, StoreError):
        raise
    except Exception as error:
        return error
