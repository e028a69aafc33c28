import asyncio
import json
import subprocess
import sys

import pytest

from cogitate.errors import ConfigError, DataError
from cogitate.tasks import Problem, ReasoningGymGrader, extract_answer, load
from cogitate.tasks.sources.generated import UNUSABLE, families
from cogitate.tasks.sources.steps import worked

# 15 s to 70 s for a hundred problems: only the slow test takes more than one of these.
SLOW = ("futoshiki", "knight_swap", "number_sequence", "zebra_puzzles")
GRADER = ReasoningGymGrader()


def grade(problem: Problem, answer: str) -> bool:
    return asyncio.run(GRADER.grade(problem, answer)).correct


def test_every_family_is_usable_or_its_reason_is_known() -> None:
    assert len(families()) == 101
    assert sorted(UNUSABLE) == ["boxnet", "codeio", "composite", "list_functions", "rush_hour"]


async def judge(problem: Problem) -> str:
    """Return what is wrong with the grades of a problem's own answer and of others."""
    assert problem.reference is not None
    separator = "\n" if "\n" in problem.reference else " "
    read = extract_answer(f"I am done.\nAnswer:{separator}{problem.reference}")
    wrong = ("certainly not this", "nan", "[]", "None")
    own, *others = await asyncio.gather(*(GRADER.grade(problem, a) for a in (read or "", *wrong)))
    called_right = [answer for answer, grade in zip(wrong, others, strict=True) if grade.correct]
    return ("" if own.correct else own.reason) + "".join(called_right)


def test_every_family_marks_its_own_answer_right_and_others_wrong() -> None:
    quick = [family for family in families() if family not in SLOW]
    problems = [load(f"reasoning_gym/{family}?size=1&seed=31")[0] for family in quick]
    faults = {problem.id: asyncio.run(judge(problem)) for problem in problems}
    assert {name: fault for name, fault in faults.items() if fault} == {}


@pytest.mark.slow
def test_every_family_is_the_same_in_another_process() -> None:
    names = [
        f"reasoning_gym/{family}?size={5 if family in SLOW else 40}&seed=100"
        for family in families()
    ]
    program = (
        "import json, sys; from cogitate.tasks import load;"
        f"print(json.dumps([[[p.prompt, p.reference] for p in load(n)] for n in {names!r}]))"
    )
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, capture_output=True, check=True, timeout=600)
    for name, made in zip(names, json.loads(other.stdout), strict=True):
        problems = load(name)
        assert [[p.prompt, p.reference] for p in problems] == made, name
        assert all(grade(p, p.reference or "") for p in problems), name


@pytest.mark.parametrize("family", ["chain_sum", "gsm_symbolic", "acre", "word_ladder"])
def test_an_item_depends_on_its_own_seed_alone(family: str) -> None:
    early = load(f"reasoning_gym/{family}?size=30&seed=0")
    late = load(f"reasoning_gym/{family}?size=30&seed=10")
    by_id = {problem.id: problem.prompt for problem in early}
    shared = [problem for problem in late if problem.id in by_id]
    assert shared and all(by_id[problem.id] == problem.prompt for problem in shared)


def test_an_id_names_the_family_and_the_seed_of_the_item() -> None:
    problems = load("reasoning_gym/chain_sum?size=3&seed=40")
    assert [problem.id for problem in problems] == ["chain_sum-40", "chain_sum-41", "chain_sum-42"]


def test_the_options_of_a_family_shape_its_problems() -> None:
    problems = load(
        "reasoning_gym/chain_sum?size=40&seed=5&min_terms=2&max_terms=3&min_digits=1&max_digits=2"
    )
    assert len(problems) + problems.dropped == 40
    for problem in problems:
        entry = problem.metadata["entry"]
        assert isinstance(entry, dict)
        terms = str(entry["expression"]).split(" ")[::2]
        assert len(terms) in (2, 3) and all(len(term) <= 2 for term in terms)


def test_lists_and_switches_are_options_too() -> None:
    problems = load("reasoning_gym/basic_arithmetic?size=10&operators=+,-&allow_parentheses=false")
    assert not any(set(str(p.prompt)) & set("*/()") for p in problems)


def test_problems_with_the_same_text_are_dropped_and_counted() -> None:
    problems = load("reasoning_gym/coin_flip?size=60&seed=0")
    assert len({problem.prompt for problem in problems}) == len(problems) == 60 - problems.dropped
    assert problems.dropped > 0


def test_worked_examples_avoid_the_seeds_of_the_set() -> None:
    usual = load("reasoning_gym/chain_sum?size=1&seed=0").examples
    moved = load("reasoning_gym/chain_sum?size=10&seed=899995").examples
    assert len(usual) == len(moved) == 2 and set(usual).isdisjoint(moved)


@pytest.mark.parametrize(
    ("family", "entry", "reference", "response"),
    [
        ("chain_sum", {"expression": "12 + 13 - 4"}, "21", "12 + 13 = 25\n25 - 4 = 21\nAnswer: 21"),
        ("chain_sum", {"expression": "4 - -7"}, "11", "4 - -7 = 11\nAnswer: 11"),
        ("basic_arithmetic", {"expression": "2 * 3"}, "6", "Answer: 6"),
        ("products", {"expression": "12 * 13"}, "156", "12 * 13 = 156\nAnswer: 156"),
        ("gcd", {"numbers": [12, 18]}, "6", "18 = 1 * 12 + 6\n12 = 2 * 6 + 0\nAnswer: 6"),
        ("n_queens", {}, "Q _\n_ Q", "Answer:\nQ _\n_ Q"),
    ],
)
def test_steps_are_written_only_where_they_are_known(
    family: str, entry: dict[str, object], reference: str, response: str
) -> None:
    assert worked(family, entry, reference) == response  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("chain_sums", r"no family 'chain_sums' \(did you mean chain_sum"),
        ("composite", "cannot be used: it only mixes other families"),
        ("chain_sum?min_term=2", r"unknown option 'min_term' \(did you mean min_terms.*max_digits"),
        ("chain_sum?min_terms=x", "min_terms=x must be a whole number"),
        ("chain_sum?min_terms=9&max_terms=2", "max_terms must be >= min_terms"),
        ("chain_sum?size=0", "size must be at least 1"),
        ("chain_sum?seed=-1", "seed at least 0"),
    ],
)
def test_a_wrong_family_or_option_says_what_to_do(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load(f"reasoning_gym/{name}")


@pytest.mark.parametrize(
    ("family", "seed", "wrong"),
    [
        # What the families' own scorers would call right.
        ("game_of_life_halting", 5001, "anything"),
        ("coin_flip", 1, "0.31251"),
        ("complex_arithmetic", 1, "nan"),
        ("puzzle24", 1, "6 * 4 * 1 * 1"),
    ],
)
def test_what_a_lenient_scorer_would_pass_is_wrong(family: str, seed: int, wrong: str) -> None:
    assert not grade(load(f"reasoning_gym/{family}?size=1&seed={seed}")[0], wrong)


def test_an_equal_answer_in_another_form_is_right() -> None:
    flip = load("reasoning_gym/coin_flip?size=1&seed=1")[0]
    assert flip.reference == "0.3125" and grade(flip, "5/16") and grade(flip, "10/32")
    integral = load("reasoning_gym/simple_integration?size=1&seed=1")[0]
    assert integral.reference == "-34*x**8/15 - 5*x/4 + C"
    assert grade(integral, "C - 1.25*x - (34/15)*x**8") and not grade(integral, "x + C")
    countdown = load("reasoning_gym/countdown?size=1&seed=1")[0]
    assert countdown.reference == "94*4 - 61 - 6" and grade(countdown, "4 * 94 - (61 + 6)")


def test_duplicate_ids_cannot_be() -> None:
    with pytest.raises(DataError, match="two problems have the id"):
        type(load("gsm8k?size=1"))(
            "mine", [Problem(id="a", prompt="1"), Problem(id="a", prompt="2")]
        )
