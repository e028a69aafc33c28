"""The simulated solver errs as often as it says, and its errors have consequences."""

import asyncio
import math
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist, fmean

import pytest
from simulation.arithmetic import Arithmetic, problems
from simulation.cache import PrefixCache
from simulation.chance import calibrated, normal
from simulation.chart import Line, Point, chart
from simulation.game24 import Game24, reachable
from simulation.rates import RATES, Level, Rates
from simulation.sorting import Sorting, count_errors

from cogitate import tasks
from cogitate.agents import Generator
from cogitate.inference import Message, Prefix, Request, Sampling, Scripted

ROOT = Path(__file__).parents[2]
HARD = Rates(levels=(Level(6, 0.25),))
PROMPT = (Message("user", "Write 5 different ways to go on."),)


def asked(problem: str, operation: str, **options: object) -> Request:
    values: dict[str, object] = {"messages": PROMPT, "position": "p", "seed": 0, **options}
    return Request(problem=problem, operation=operation, **values)  # type: ignore[arg-type]  # of one test


def calculator(rates: Rates = HARD) -> tuple[Arithmetic, str, int]:
    made = problems(1, seed=5, rates=rates)
    [(name, (problem, _))] = made.items()
    return Arithmetic(made, rates), name, int(problem.reference or 0)


def results(text: str) -> list[tuple[int, str, int, int]]:
    found = re.findall(r"(-?\d+) ([-+*]) (\d+) = (-?\d+)\.", text)
    return [(int(a), sign, int(b), int(c)) for a, sign, b, c in found]


def right(step: tuple[int, str, int, int]) -> bool:
    a, sign, b, c = step
    return {"+": a + b, "-": a - b, "*": a * b}[sign] == c


def test_a_reply_follows_from_seed_problem_position_and_sample() -> None:
    model, name, _ = calculator()
    first = model(asked(name, "generate"))
    assert first == model(asked(name, "generate"))
    assert len({model(asked(name, "generate", sample=i)) for i in range(8)}) == 8
    assert first != model(asked(name, "generate", seed=1))


def test_a_step_errs_at_its_stated_rate_and_the_error_stays() -> None:
    model, name, answer = calculator()
    chains = [results(model(asked(name, "generate", sample=i))) for i in range(600)]
    steps = [right(step) for chain in chains for step in chain]
    wrong = 1 - fmean(steps)
    assert abs(wrong - 0.25) < 3 * math.sqrt(0.25 * 0.75 / len(steps))
    for chain in chains:
        assert [before[3] for before in chain[:-1]] == [after[0] for after in chain[1:]]
        assert chain[-1][3] == answer or not all(map(right, chain))
    solved = fmean(chain[-1][3] == answer for chain in chains)
    assert abs(solved - 0.75**6) < 0.07  # errors may cancel, seldom


def test_errors_may_fall_on_the_first_step_and_one_sample_is_right_as_often() -> None:
    model, name, _ = calculator(Rates(levels=(Level(4, 0.2),), front=0.9))
    chains = [results(model(asked(name, "generate", sample=i))) for i in range(600)]
    first = fmean(right(chain[0]) for chain in chains)
    assert abs(first - 0.8 ** (4 * 0.9 + 0.1)) < 0.06  # 0.44 in place of 0.8
    assert abs(fmean(all(map(right, chain)) for chain in chains) - 0.8**4) < 0.06


def test_errors_that_are_habits_agree() -> None:
    def share(habit: float) -> float:
        model, name, _ = calculator(Rates(levels=(Level(1, 1.0),), habit=habit))
        said = [results(model(asked(name, "generate", sample=i)))[0][3] for i in range(200)]
        return max(map(said.count, said)) / len(said)

    assert share(1.0) == 1.0
    assert share(0.0) < 0.25


@pytest.mark.parametrize("words", [1, 7, 32])
def test_a_text_that_was_cut_anywhere_is_continued_where_it_was_cut(words: int) -> None:
    model, name, _ = calculator(Rates(levels=(Level(4, 0.0),)))
    engine, text = Scripted(model), ""
    for i in range(200):
        request = asked(
            name,
            "step",
            prefix=Prefix(text) if text else None,
            sampling=Sampling(max_tokens=words),
            position=f"p{i}",
        )
        [completion] = asyncio.run(engine.complete(request))
        text += completion.text
        if completion.finish == "stop":
            break
    steps = results(text)
    assert len(steps) == 4 and all(map(right, steps))
    assert text.endswith(f"\nAnswer: {steps[-1][3]}")
    assert text.count("\n\n") == 3


@pytest.mark.parametrize("separation", [1.0, 2.0])
def test_the_verifier_parts_right_from_wrong_as_well_as_it_says(separation: float) -> None:
    good = [calibrated(True, separation, normal("good", i)) for i in range(400)]
    bad = [calibrated(False, separation, normal("bad", i)) for i in range(400)]
    auc = fmean(x > y for x in good for y in bad)
    assert abs(auc - NormalDist().cdf(separation / math.sqrt(2))) < 0.03
    sure = [x for x in good + bad if 0.75 < x < 0.85]
    assert abs(sum(x in good for x in sure) / len(sure) - 0.8) < 0.12


@pytest.mark.parametrize(
    ("numbers", "possible"), [((1, 1, 1, 1), False), ((3, 3, 8, 8), True), ((4, 6), True)]
)
def test_the_player_knows_from_where_24_can_be_reached(
    numbers: tuple[int, ...], possible: bool
) -> None:
    assert reachable(tuple(map(Fraction, numbers))) is possible


def test_a_move_is_promising_as_often_as_stated_and_an_answer_is_what_was_played() -> None:
    [problem] = tasks.load("game24?size=1&offset=900")
    player = Game24([problem], Rates(slip=0.0))
    grader = tasks.Game24Grader()
    good = 0
    for i in range(300):
        text = player(asked(problem.id, "generate", sample=i))
        left = re.findall(r"\(left: ([^)]*)\)", text)[0].split()
        good += reachable(tuple(sorted(map(Fraction, left))))
        answer = tasks.extract_answer(text) or ""
        solved = asyncio.run(grader.grade(problem, answer)).correct
        assert solved == (re.findall(r"left: ([^)]*)\)", text)[-1] == "24")
    assert abs(good / 300 - RATES.promising[4]) < 3 * math.sqrt(0.2 * 0.8 / 300)


def test_longer_lists_suffer_more_and_a_second_look_helps() -> None:
    def errors(reply: Callable[[int], str], numbers: list[int]) -> float:
        problem = tasks.Problem(prompt="?", reference=str(sorted(numbers)), kind="sorting")
        answers = [tasks.extract_answer(reply(i)) for i in range(200)]
        return fmean(count_errors(problem, answer) for answer in answers)

    model, long, short = Sorting(), [i % 10 for i in range(32)], [i % 10 for i in range(16)]

    def sort(numbers: list[int]) -> Callable[[int], str]:
        messages = (Message("user", f"Sort {numbers}"),)
        return lambda i: model(asked("s", "generate", messages=messages, sample=i))

    def mend(i: int) -> str:
        found = tasks.extract_answer(sort(long)(i))
        messages = (Message("user", f"Sort {long}\n\n<list>\n{found}\n</list>"),)
        return model(asked("s", "refine", messages=messages, sample=i))

    assert 2.0 < errors(sort(long), long) < 4.5
    assert errors(sort(short), short) < 0.6 * errors(sort(long), long)
    assert errors(mend, long) < 0.9 * errors(sort(long), long)


def test_the_cache_counts_whole_blocks_that_were_there_before() -> None:
    async def cached() -> list[int]:
        engine = PrefixCache(Scripted([" ".join("abcdefghij")]))
        prompt = Message("user", " ".join(str(i) for i in range(20)))
        other = Message("user", " ".join(str(i) for i in range(16)) + " x" * 20)
        asks = [
            Request(messages=(prompt,)),
            Request(messages=(prompt,)),
            Request(messages=(other,)),
            # 20 + 10 tokens were there with the reply: one block of 16, and no second one
            Request(messages=(prompt,), prefix=Prefix(" ".join("abcdefghij") + " k l m")),
        ]
        return [(await engine.complete(ask))[0].usage.cached for ask in asks]

    assert asyncio.run(cached()) == [0, 16, 16, 16]


def test_the_simulation_stands_where_a_model_stands() -> None:
    assert Generator(PrefixCache(Scripted(["Answer: 4"]))).model is not None


def test_a_chart_is_whole_svg() -> None:
    drawn = chart("a < b", [Line("x", [Point(10, 0.5, 0.4, 0.6)])], x="tokens", y="right")
    assert drawn.startswith("<svg") and drawn.endswith("</svg>\n") and "a &lt; b" in drawn


@pytest.mark.slow
def test_the_short_form_runs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "simulated.py", "--short"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    for heading in (
        "Compute-optimal",
        "Speculative",
        "Graph of Thoughts",
        "Parallel",
        "Game of 24",
    ):
        assert f"## {heading}" in done.stdout or heading in done.stdout
    assert "**Holds**" in done.stdout
