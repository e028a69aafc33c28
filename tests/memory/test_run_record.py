"""The record of a run: what tells runs apart, and making a team and a strategy from it again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from searches import NAMES, small

import cogitate as cg
from cogitate.graphs import strategy_named
from cogitate.graphs.recording import Plan
from cogitate.inference import Engines, Scripted
from cogitate.memory import RunRecord
from cogitate.memory.run_record import record_of

HERE, THERE = "http://127.0.0.1:9/v1", "http://127.0.0.2:9/v1"


def recorded(
    team: cg.Team,
    strategy: cg.Strategy | None = None,
    *,
    budget: cg.Budget | None = None,
    examples: Sequence[cg.tasks.Example] = (),
) -> RunRecord:
    plan = Plan(
        problems=[],
        examples=examples,
        team=team,
        strategy=strategy or cg.Direct(),
        budget=budget or cg.Budget(),
        seed=3,
    )
    return record_of(plan, Engines())


def again(record: RunRecord) -> RunRecord:
    """The record of what was made from a record that was written and read."""
    made = RunRecord.read(record.model_dump_json()).make()
    return recorded(made.team, made.strategy, budget=made.budget, examples=record.examples)


def rich_team() -> cg.Team:
    return cg.Team(
        [
            cg.Generator("openai/a", base_url=HERE, temperature=0.25, stop=("\n\n", "END")),
            cg.Generator("openai/b", base_url=HERE, name="second", max_tokens=99, examples=2),
        ],
        cg.Critic("openai/a", base_url=HERE, top_p=0.5),
        [
            cg.tasks.MathGrader(),
            cg.Verifier("openai/a", base_url=HERE, method="text", reduce="min", separator="\n"),
        ],
        cg.Refiner("openai/b", base_url=HERE, adapter="worn"),
        others=[cg.Agent("openai/a", base_url=HERE, role="judge")],
    )


def test_a_team_is_made_again_from_its_record() -> None:
    examples = [cg.tasks.Example(prompt="1 + 1?", response="Answer: 2", author="dataset")]
    budget = cg.Budget(tokens=900, calls=7, seconds=1.5)
    record = recorded(rich_team(), cg.SelfRefine(rounds=2), budget=budget, examples=examples)
    assert again(record) == record
    assert record.verifiers == ("grader:MathGrader", "verifier")
    made = record.make()
    assert (made.budget, made.seed) == (budget, 3)
    assert made.team.oracle


@pytest.mark.parametrize("name", NAMES)
def test_every_named_strategy_is_made_again_from_its_record(name: str) -> None:
    record = recorded(cg.Team.of("openai/a", base_url=HERE), strategy_named(small(name)))
    assert again(record) == record


def test_where_a_server_stands_does_not_tell_runs_apart() -> None:
    here, there = (recorded(cg.Team.of("openai/a", base_url=url)) for url in (HERE, THERE))
    assert here.key == there.key
    assert recorded(cg.Team.of("openai/b", base_url=HERE)).key != here.key


def test_adapters_tell_runs_apart_by_what_is_in_their_folders(tmp_path: Path) -> None:
    keys = []
    for name, content in [("one", "{}"), ("two", "{}"), ("three", '{"r": 8}')]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text(content)
        keys.append(
            recorded(cg.Team.of("openai/a", base_url=HERE, adapter=str(tmp_path / name))).key
        )
    assert keys[0] == keys[1] != keys[2]


@dataclass(frozen=True)
class Own:
    """A strategy without a name."""

    rounds: int = 2

    async def __call__(self, d: cg.Deliberation) -> cg.Thought:
        return await d.generate()


async def other(d: cg.Deliberation) -> cg.Thought:
    return await d.generate()


def half(_problem: cg.tasks.Problem, _text: str) -> float:
    return 0.5


def full(_problem: cg.tasks.Problem, _text: str) -> float:
    return 1.0


def test_code_is_told_apart_by_its_name_and_its_fields() -> None:
    team = cg.Team.of(Scripted(["-"]))
    keys = {recorded(team, how).key for how in (Own(), Own(), Own(3), other, cg.Direct())}
    assert len(keys) == 4
    teams = [cg.Team.of(Scripted(["-"]), verifier=judge) for judge in (half, half, full)]
    assert len({recorded(one).key for one in teams}) == 2


def test_graders_are_told_apart_by_what_they_were_given() -> None:
    graders: list[cg.tasks.Grader] = [
        cg.tasks.MathGrader(),
        cg.tasks.MathGrader(limit=9),
        cg.tasks.CodeGrader(),
        cg.tasks.CodeGrader(partial=True),
    ]
    records = [recorded(cg.Team.of("openai/a", base_url=HERE, verifier=g)) for g in graders]
    assert len({record.key for record in records}) == 4
    for record in records[::2]:
        assert again(record) == record
    for record in records[1::2]:
        with pytest.raises(cg.ConfigError, match="is code"):
            record.make()


@pytest.mark.parametrize(
    ("team", "strategy", "what"),
    [
        (cg.Team.of(Scripted(["-"])), cg.Direct(), "has an engine or code of its own"),
        (cg.Team.of("openai/a", base_url=HERE), Own(), "the strategy 'Own' is code"),
        (cg.Team.of("openai/a", base_url=HERE, verifier=half), cg.Direct(), "is code"),
        (
            cg.Team(cg.Generator("openai/a", base_url=HERE, prompts={"direct": "{problem}!"})),
            cg.Direct(),
            "has an engine or code of its own",
        ),
    ],
)
def test_what_is_code_is_not_made_again(team: cg.Team, strategy: cg.Strategy, what: str) -> None:
    with pytest.raises(cg.ConfigError, match=what):
        recorded(team, strategy).make()


def test_a_damaged_record_is_refused() -> None:
    text = recorded(cg.Team.of("openai/a", base_url=HERE)).model_dump_json()
    for wrong in ("", "{}", text[:-5], text.replace('"seed":3', '"seed":"x"'), "[" * 10_000):
        with pytest.raises(cg.DataError, match="the record of a run cannot be read"):
            RunRecord.read(wrong)


async def counted(d: cg.Deliberation, n: int = 1) -> cg.Thought:
    return (await d.samples(n))[0]


def with_samples(n: int) -> cg.Strategy:
    async def strategy(d: cg.Deliberation) -> cg.Thought:
        return await counted(d, n)

    return strategy


def with_default(n: int) -> cg.Strategy:
    async def strategy(d: cg.Deliberation, n: int = n) -> cg.Thought:
        return await counted(d, n)

    return strategy


def around(inner: cg.Strategy) -> cg.Strategy:
    async def strategy(d: cg.Deliberation) -> cg.Thought | None:
        return await inner(d)

    return strategy


class Thinker:
    __slots__ = ("how", "n", "seen")

    def __init__(self, n: int) -> None:
        self.n = n
        self.seen: list[str] = []
        self.how = self.think

    async def think(self, d: cg.Deliberation) -> cg.Thought:
        self.seen.append(d.task.id)
        return await counted(d, self.n)

    async def __call__(self, d: cg.Deliberation) -> cg.Thought:
        return await self.think(d)


def in_turns(turns: int) -> cg.Strategy:
    async def even(d: cg.Deliberation, left: int = turns) -> cg.Thought:
        return await (odd(d, left - 1) if left else counted(d))

    async def odd(d: cg.Deliberation, left: int = turns) -> cg.Thought:
        return await (even(d, left - 1) if left else counted(d))

    return even


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda n: partial(counted, n=n), id="a partial"),
        pytest.param(lambda n: around(partial(counted, n=n)), id="a partial in a closure"),
        pytest.param(with_samples, id="a closure"),
        pytest.param(lambda n: around(with_samples(n)), id="a closure around a closure"),
        pytest.param(lambda n: around(cg.BestOfN(n)), id="a strategy in a closure"),
        pytest.param(lambda n: around(Thinker(n).think), id="a method in a closure"),
        pytest.param(with_default, id="a default"),
        pytest.param(lambda n: Thinker(n).think, id="a method"),
        pytest.param(Thinker, id="slots"),
        pytest.param(in_turns, id="functions that call each other"),
    ],
)
def test_code_is_told_apart_by_what_it_was_given(made: Callable[[int], cg.Strategy]) -> None:
    team = cg.Team.of(Scripted(["."]))
    one, same, other = (recorded(team, made(n)).key for n in (1, 1, 3))
    assert one == same != other


def test_lambdas_are_told_apart_by_what_they_do() -> None:
    team = cg.Team.of(Scripted(["."]))
    keys = {recorded(team, how).key for how in (lambda d: counted(d, 1), lambda d: counted(d, 3))}
    assert len(keys) == 2


def test_what_code_collects_while_it_runs_does_not_make_another_run_of_it() -> None:
    team, thinker = cg.Team.of(Scripted(["."])), Thinker(2)
    before = recorded(team, thinker).key
    thinker.seen.append("p")
    assert recorded(team, thinker).key == before
