"""Restart and explore: where episodes begin, what they are paid, and how reflections turn out."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import cogitate as cg
from cogitate.errors import DataError
from cogitate.graphs import run
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem
from cogitate.training import CurrentWeights, Rollout, StrategySampler, harvest
from cogitate.training.restarts import (
    ReflectRates,
    Watched,
    choose_starts,
    read_rates,
    sum_of_rates,
)
from cogitate.training.rewards import OutcomeReward, satori_sum
from cogitate.training.rows import PromptRow

PROBLEM = Problem(id="p", prompt="What is 6 * 7?", reference="42", kind="numeric")
RIGHT = "<|continue|>6 * 7 is 42.\n<|continue|>Answer: 42"
WRONG = "<|continue|>6 * 7 is 41.\n<|continue|>Answer: 41"


def states() -> list[PromptRow]:
    """The states of a right and of a wrong chain that a model wrote with tokens."""
    reports = [
        run([PROBLEM], cg.Team.of(Scripted(lambda _, said=said: said)), TOKENS)
        for said in (RIGHT, WRONG)
    ]
    return [row for report in reports for row in harvest(report).prompts(back=1)]


TOKENS = cg.ChainOfActionThought(mode="tokens")


def test_chains_of_tokens_restart_after_a_reflection_from_both_sides() -> None:
    starts = choose_starts(states(), seed=1)
    assert {row.began for row in starts.rows} == {"problem", "right", "wrong"}
    assert starts.counts == {"states": 6, "problem": 1, "right": 1, "wrong": 1, "not drawn": 3}
    for row in starts.rows:
        assert row.began == "problem" or row.prefix.endswith("<|reflect|>")
        assert ("41" in row.prefix) is (row.began == "wrong")
    drawn = {tuple(r.prefix for r in choose_starts(states(), seed=i).rows) for i in range(8)}
    assert len(drawn) > 4  # another seed draws other numbers of actions


def test_without_restarts_the_problems_are_left() -> None:
    assert [row.began for row in choose_starts(states(), restarts=False).rows] == ["problem"]


def test_a_beginning_that_is_right_and_wrong_is_left_out() -> None:
    found = states()
    other = next(row for row in found if row.began == "right")
    starts = choose_starts([*found, other.model_copy(update={"began": "wrong"})])
    assert starts.counts["ambiguous"] == 2
    assert other.prefix not in {row.prefix for row in starts.rows}


def test_a_beginning_may_be_right_for_one_problem_and_wrong_for_another() -> None:
    said = next(row for row in states() if row.began == "right")
    other = said.model_copy(update={"began": "wrong", "problem": "q"})
    starts = choose_starts([said, other])
    assert [row.began for row in starts.rows].count("wrong") == 1
    assert starts.bonus().starts == {
        (said.problem, said.prefix): True,
        ("q", said.prefix): False,
    }


def test_mending_and_spoiling_are_paid_and_counted_by_hand(tmp_path: Path) -> None:
    # The policy says 42 after a wrong beginning, and 41 in every other case.
    def reply(request: Request) -> str:
        begun = request.prefix.text if request.prefix else ""
        return "No.<|explore|>Answer: 42" if "41" in begun else "So.<|continue|>Answer: 41"

    starts = choose_starts(states(), seed=3)

    async def orm(_graph: object, _thought: object) -> float:
        return 0.25

    sampler = Watched(
        StrategySampler(
            team=lambda _: cg.Team.of(Told(Scripted(reply))),
            strategy=TOKENS,
            reward=satori_sum(orm, starts.bonus()),
        ),
        tmp_path / "rates.jsonl",
    )
    found = asyncio.run(sampler(starts.rows, CurrentWeights("hf/none", None, 4)))
    paid = {row.began: one.reward for row, one in zip(starts.rows, found, strict=True)}
    # (1[correct] - 1) + 0.25 + bonus
    assert paid == {"problem": -0.75, "right": -1.25, "wrong": 0.75}
    [rates] = read_rates(tmp_path / "rates.jsonl")
    said = sum(len(one.completion_ids) for one in found)
    assert said > 0
    assert rates == ReflectRates(step=4, wrong=1, mended=1, right=1, spoilt=1, fresh=1, tokens=said)
    assert "1 of 1 wrong beginnings mended" in str(rates)


class Told:
    """An engine that tells token ids: one for each character."""

    def __init__(self, engine: Scripted) -> None:
        self._engine = engine
        self.info = engine.info
        self.count, self.score, self.rate = engine.count, engine.score, engine.rate
        self.close = engine.close

    async def complete(self, request: Request) -> list[cg.inference.Completion]:
        from dataclasses import replace

        return [
            replace(one, prompt_ids=(1,), token_ids=tuple(map(ord, one.text)))
            for one in await self._engine.complete(request)
        ]


@dataclass
class Fixed:
    """A sampler that was right or wrong as it is told."""

    outcomes: Sequence[float | None]

    async def __call__(
        self, starts: Sequence[PromptRow], weights: CurrentWeights
    ) -> Sequence[Rollout]:
        return [Rollout(parts={} if o is None else {"outcome": o}) for o in self.outcomes]

    async def close(self) -> None:
        pass


def test_a_resumed_training_replaces_the_steps_that_it_does_again(tmp_path: Path) -> None:
    record = tmp_path / "deep" / "rates.jsonl"
    wrong = next(row for row in states() if row.began == "wrong")
    for step, outcomes in ((0, [0.0, -1.0]), (1, [-1.0, -1.0]), (1, [0.0, None])):
        sampler = Watched(Fixed(outcomes), record)
        asyncio.run(sampler([wrong, wrong], CurrentWeights("hf/none", None, step)))
    first, second = read_rates(record)
    assert (first.mended, first.wrong) == (1, 2)
    assert (second.mended, second.wrong, second.ungraded) == (1, 1, 1)
    together = sum_of_rates([first, second])
    assert (together.mended, together.wrong) == (2, 3)
    low, high = together.mends
    assert low < 2 / 3 < high


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rates.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="train again"):
        read_rates(tmp_path / "rates.jsonl")
    with pytest.raises(DataError, match="sampled nothing"):
        sum_of_rates([])


def test_the_answer_of_a_reply_is_that_of_its_chain() -> None:
    said = "<|continue|>So:\nAnswer: 41\n<|reflect|>No.\n<|explore|>Answer: 42<|continue|>"
    report = run([PROBLEM], cg.Team.of(Scripted(lambda _: said)), TOKENS)
    [episode] = report.episodes
    solutions = [t for t in episode.graph.in_order() if t.kind is cg.graphs.ThoughtKind.SOLUTION]
    assert [thought.answer for thought in solutions] == ["42", "42"]
    member = asyncio.run(OutcomeReward()(episode.graph, solutions[0]))
    assert member == 1.0
