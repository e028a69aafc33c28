"""Difficulty, bins and what each bin costs, worked out by hand for a solver of known difficulty."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from pydantic import ValidationError

import cogitate as cg
from cogitate.graphs import Bin, Plan, strategy_named
from cogitate.graphs.strategies.compute_optimal import having
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem

EASY = Problem(id="easy", prompt="An easy one: 6 * 7?", reference="42", kind="numeric")
HARD = Problem(id="hard", prompt="A hard one: 60 * 70?", reference="4200", kind="numeric")


def plan(**changes: object) -> Plan:
    """Four probes; a small best-of-n below difficulty 0.5, a large one from there on."""
    values: dict[str, object] = {
        "probes": 4,
        "signal": "verifier",
        "edges": (0.5,),
        "bins": (Bin(strategy="best-of-n?n=4"), Bin(strategy="best-of-n?n=16")),
    }
    return Plan.model_validate(values | changes)


class Solver:
    """Solves the easy problem always, the hard one at every sample from the tenth on."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()

    def __call__(self, request: Request) -> str:
        self.operations[request.operation] += 1
        if request.operation == "critique":
            return "Accept: yes"
        if request.problem == "easy":
            return "Answer: 42"
        return "Answer: 4200" if request.sample >= 10 else f"Answer: {request.sample}"


def trusting(problem: Problem, text: str) -> float:
    """A verifier that is sure of what is right, and gives the rest 0.1."""
    return 0.9 if text.endswith(f" {problem.reference}") else 0.1


def think(problem: Problem, strategy: cg.Strategy, **options: object) -> tuple[cg.Result, Solver]:
    solver = Solver()
    team = cg.Team.of(Scripted(solver), verifier=trusting)
    return cg.solve(problem, team, strategy, **options), solver  # type: ignore[arg-type]  # of one test


def difficulty(signal: str, scores: Sequence[float], answers: Sequence[str | None]) -> float:
    def reply(request: Request) -> str:
        answer = answers[request.sample]
        return f"try {request.sample}\n" + (f"Answer: {answer}" if answer else "No idea.")

    def verifier(_problem: Problem, text: str) -> float:
        return scores[int(text.split()[1])]

    alike = [Bin(strategy=f"best-of-n?n={len(scores)}")]
    probing = plan(signal=signal, probes=len(scores), edges=(), bins=alike)
    team = cg.Team.of(Scripted(reply), verifier=verifier)
    done = cg.solve(EASY, team, cg.ComputeOptimal(probing))
    return done.graph.root.scores["difficulty"]


@pytest.mark.parametrize(
    ("signal", "scores", "answers", "expected"),
    [
        ("verifier", [0.9, 0.7, 0.8, 0.6], ["1", "2", "3", "4"], 0.25),
        ("agreement", [0.0] * 4, ["0.5", "1/2", "7", None], 0.5),
        ("agreement", [1.0] * 4, [None] * 4, 1.0),
    ],
)
def test_difficulty_is_what_scores_or_agreement_leave_to_one(
    signal: str, scores: list[float], answers: list[str | None], expected: float
) -> None:
    assert difficulty(signal, scores, answers) == pytest.approx(expected)


def test_equal_scores_make_problems_equally_hard_in_any_order() -> None:
    found = {difficulty("verifier", scores, "123") for scores in permutations([0.1, 0.2, 0.3])}
    assert len(found) == 1  # one bin of a plan, and the same on every version of Python


def test_a_difficulty_on_an_edge_belongs_to_the_harder_bin() -> None:
    three = plan(edges=(0.25, 0.5), bins=[Bin(strategy=f"best-of-n?n={n}") for n in (4, 8, 16)])
    chosen = [three.choose(difficulty) for difficulty in (0.0, 0.2, 0.25, 0.49, 0.5, 1.0)]
    assert [int(name.removeprefix("best-of-n?n=")) for name in chosen] == [4, 4, 8, 8, 16, 16]


def test_probes_count_among_the_n_of_the_chosen_strategy_and_the_search_is_the_same() -> None:
    adaptive, solver = think(HARD, cg.ComputeOptimal(plan()))
    plain, _ = think(HARD, cg.BestOfN(n=16))

    assert solver.operations == {"generate": 16}
    assert adaptive.usage.completion == plain.usage.completion
    assert adaptive.usage.prompt == 2 * plain.usage.prompt  # four, and then twelve
    assert {t.id: t.text for t in adaptive.graph.thoughts()} == {
        t.id: t.text for t in plain.graph.thoughts()
    }
    assert adaptive.answer == plain.answer == "4200"


def test_a_draft_is_a_probe_where_the_chosen_strategy_refines() -> None:
    refine = Bin(strategy="self-refine?rounds=2")
    done, solver = think(EASY, cg.ComputeOptimal(plan(edges=(), bins=[refine])))
    assert solver.operations == {"generate": 4, "critique": 1}
    assert done.thought is not None and done.thought.sample == 0


def test_an_ask_that_goes_round_the_samples_finds_numbers_of_its_own() -> None:
    async def probing(d: cg.Deliberation) -> cg.Thought:
        begun = having(d, await d.samples(2))
        [drawn] = await begun.ask("generate", [d.problem])
        ready = await begun.samples(3)
        assert [drawn.sample, *(one.sample for one in ready)] == [2, 0, 1, 3]
        return drawn

    _, solver = think(EASY, probing)
    assert solver.operations == {"generate": 4}


def test_the_budget_holds_for_probes_and_strategy_together() -> None:
    done, solver = think(HARD, cg.ComputeOptimal(plan()), budget=cg.Budget(calls=11))
    assert solver.operations == {"generate": 11}
    assert (done.answer, done.stopped) == ("4200", "calls")

    done, solver = think(HARD, cg.ComputeOptimal(plan()), budget=cg.Budget(calls=4))
    assert solver.operations == {"generate": 4}
    assert (done.answer, done.stopped) == ("0", "calls")


def test_problems_of_mixed_difficulty_cost_less_at_the_same_accuracy() -> None:
    team = cg.Team.of(Scripted(Solver()), verifier=trusting)
    adaptive = cg.run([EASY, HARD], team, cg.ComputeOptimal(plan()))
    plain = cg.run([EASY, HARD], team, cg.BestOfN(n=16))
    assert adaptive.correct == plain.correct == 2
    assert (adaptive.usage.calls, plain.usage.calls) == (4 + 16, 32)


def test_a_plan_is_read_from_its_file_once_and_named_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "Plan.json"
    plan().write(file)
    named = strategy_named(f"compute-optimal?plan={file}")
    file.unlink()

    assert isinstance(named, cg.ComputeOptimal) and named.loaded == plan()
    assert str(plan()) == str(named.loaded) != str(plan(probes=3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": (0.2, 0.4)}, "2 edges part 3 bins"),
        ({"edges": (0.5, 0.5), "bins": [Bin(strategy="direct")] * 3}, "edges must rise"),
        ({"edges": (), "bins": [Bin(strategy="compute-optimal?plan=p")]}, "cannot follow a plan"),
        ({"edges": (), "bins": [Bin(strategy="best-of-m")]}, "did you mean 'best-of-n'"),
        ({"probes": 0}, "greater than or equal to 1"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        plan(**changes)


def test_a_missing_plan_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"probes": 4}')
    for path, message in (
        ("", "cogitate calibrate"),
        (tmp_path / "none.json", "cannot be read"),
        (tmp_path / "broken.json", "edges: Field required"),
    ):
        with pytest.raises(cg.ConfigError, match=message):
            cg.ComputeOptimal(str(path))
