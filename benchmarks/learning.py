"""MALT against STaR: which loop makes a team of small models better, for the same sampled tokens.

    python benchmarks/learning.py begin                what both begin with, by STaR
    python benchmarks/learning.py malt                 n=2: 14 calls for each problem
    python benchmarks/learning.py star --samples 16    a number that samples as many tokens
    python benchmarks/learning.py measure [--arms begin malt star]
    python benchmarks/learning.py report [--chart docs/learning.svg]

The embedded model learns two families mixed; a third tells what it forgets. A model that is right
once in twenty tries gives MALT nothing: of eight refinements of a wrong solution hardly one is
right. So both loops begin with the same weights, which two iterations of STaR made, sampling with
two worked examples. Every iteration has problems of its own. Measured is on other problems, with
generator seeds from 1,000,000 on and texts that no loop has seen: nine calls for each problem, for
STaR a vote of nine replies, for MALT three passes of generate, critique and refine.

Everything is kept in runs/learning/, and every command goes on where it was stopped.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulation.chart import Line, Point, chart

import cogitate as cg
from cogitate import training
from cogitate.graphs import GenerateCritiqueRefine, Strategy
from cogitate.memory import RunStore
from cogitate.tasks import Problem, ProblemSet
from cogitate.training.loops.weights import wear

MODEL = "hf/smollm2-135m"
OUTPUT = Path("runs/learning")
SUMS = "reasoning_gym/chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2"
SIGNS = "reasoning_gym/basic_arithmetic?min_terms=2&max_terms=2&max_digits=1"
LETTERS = "reasoning_gym/letter_counting?min_words=3&max_words=5"
VOTES = 9
TEST = 1_000_000
COMMANDS = ("begin", "malt", "star", "measure", "report")


def mixed(size: int, seed: int) -> ProblemSet:
    """Both families in turns, one worked example of each."""
    both = [cg.tasks.load(f"{family}&size={size // 2}&seed={seed}") for family in (SUMS, SIGNS)]
    problems = [one for pair in zip(*both, strict=False) for one in pair]
    return ProblemSet(
        "chain_sum and basic_arithmetic",
        problems,
        examples=[family.examples[0] for family in both],
        dropped=sum(family.dropped for family in both),
    )


def team(adapter: Path | None = None, *, examples: int = 0, temperature: float = 0.6) -> cg.Team:
    return cg.Team.of(
        MODEL,
        adapter=None if adapter is None else str(adapter),
        examples=examples,
        max_tokens=48,
        temperature=temperature,
    )


def sft() -> training.SFTSettings:
    return training.SFTSettings(optimisation=training.Optimisation(precision="bfloat16"))


def dpo() -> training.DPOSettings:
    how = training.Optimisation(precision="bfloat16", learning_rate=5e-5, epochs=1)
    return training.DPOSettings(optimisation=how)


def show(stage: str, done: int, total: int) -> None:
    end = "\n" if done == total else "\r"
    if sys.stderr.isatty() or done == total:
        print(f"{stage}: {done}/{total}", end=end, file=sys.stderr, flush=True)


def begin() -> training.STaR:
    return training.STaR(
        team(),
        first=team(examples=2),
        train=mixed(600, 1_000),
        dev=mixed(320, 500_000),
        output=OUTPUT / "begin",
        iterations=2,
        settings=training.STaRSettings(samples=8, per_problem=4, sft=sft(), concurrency=32),
        progress=show,
    )


def begun() -> Path:
    """The weights that both loops begin with: the last ones, whether or not they were promoted."""
    folder = OUTPUT / "begin" / "2" / "generator"
    if not folder.is_dir():
        raise SystemExit("there are no weights to begin with: run `learning.py begin`")
    return folder


def malt(problems: int, dev: int) -> training.MALT:
    return training.MALT(
        team(begun()),
        train=mixed(2 * problems, 100_000),
        dev=mixed(2 * dev, 600_000),
        output=OUTPUT / "malt",
        iterations=2,
        settings=training.MALTSettings(
            n=2, k=1, temperature=None, sft=sft(), dpo=dpo(), concurrency=32
        ),
        progress=show,
    )


def star(problems: int, dev: int, samples: int) -> training.STaR:
    return training.STaR(
        team(begun()),
        train=mixed(2 * problems, 100_000),
        dev=mixed(2 * dev, 600_000),
        output=OUTPUT / "star",
        iterations=2,
        strategy=cg.SelfConsistency(n=3),
        settings=training.STaRSettings(samples=samples, per_problem=4, sft=sft(), concurrency=32),
        progress=show,
    )


def seen() -> list[Problem]:
    """Every problem of the loops on both families."""
    ranges = ((600, 1_000), (320, 500_000), (600, 100_000), (600, 600_000))
    return [problem for size, seed in ranges for problem in mixed(size, seed)]


def measure(
    name: str,
    made: cg.Team,
    strategy: Strategy,
    problems: ProblemSet,
    *,
    output: Path = OUTPUT,
) -> None:
    """Answer the test problems and write what came out, once."""
    path = output / "measured" / f"{name}.json"
    if path.exists():
        return
    started = time.perf_counter()
    done = 0

    def step(_: object) -> None:
        nonlocal done
        done += 1
        show(name, done, len(problems))

    path.parent.mkdir(parents=True, exist_ok=True)
    with RunStore(path.parent / "runs.db") as store:
        report = cg.run(
            problems, made, strategy, seed=7, concurrency=32, store=store, on_episode=step
        )
        episodes = list(report.episodes)
    graphs = [episode.graph for episode in episodes]
    training.grade(graphs)
    outcomes = [training.Outcome.of(episode) for episode in episodes]
    found = training.summarise(outcomes, name=name, seconds=time.perf_counter() - started)
    record = {
        "evaluation": found.model_dump(mode="json"),
        "scores": training.scores_of(outcomes),
        "roles": str(training.role_table(training.roles(graphs))),
        "families": {
            family: [sum(scores), len(scores)]
            for family in ("chain_sum", "basic_arithmetic", "letter_counting")
            if (scores := [bool(o.score) for o in outcomes if family in o.problem])
        },
    }
    path.write_text(json.dumps(record, indent=2) + "\n")


def teams(arms: Iterable[str]) -> Iterable[tuple[str, cg.Team, Strategy]]:
    """Whom to measure, and how they think."""
    vote, passes = cg.SelfConsistency(n=VOTES), GenerateCritiqueRefine(k=VOTES // 3)
    for arm in arms:
        if arm == "begin":
            yield "two examples", team(examples=2), vote
            yield "begin, vote", team(begun()), vote
            yield "begin, passes", team(begun()), passes
            continue
        for i in (1, 2):
            folder = OUTPUT / arm / str(i)
            worn = {
                role: path
                for role in ("generator", "critic", "refiner")
                for path in (folder / role, folder / f"{role}-sft", folder / f"{role}-dpo")
                if path.is_dir()
            }
            if worn:
                dressed = wear(team(begun()), worn)
                yield f"{arm} {i}", dressed, passes if arm == "malt" else vote


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--problems", type=int, default=110, help="for each iteration")
    parser.add_argument("--dev", type=int, default=200, help="to judge each iteration on")
    parser.add_argument("--samples", type=int, default=16, help="of STaR for each problem")
    parser.add_argument("--arms", nargs="+", default=["begin", "malt", "star"])
    parser.add_argument("--chart", type=Path, help="where to draw what was measured, as SVG")
    parser.add_argument(
        "--size", type=int, default=1_000, help="test problems, before duplicates go"
    )
    chosen = parser.parse_args()
    if chosen.command in ("measure", "report"):
        tested = training.unseen(mixed(chosen.size, TEST), than=seen())
        others = cg.tasks.load(f"{LETTERS}&size=200&seed={TEST}")
        print(f"{len(tested)} problems, {tested.dropped} dropped as seen or repeated")
        if chosen.command == "report":
            report(chosen.chart)
            return
        for name, made, strategy in teams(chosen.arms):
            measure(name, made, strategy, tested)
        for name, made, strategy in teams(chosen.arms):
            measure(f"{name}, held-out family", made, strategy, others)
        return
    loop: Iterable[Any]
    match chosen.command:
        case "begin":
            loop = begin()
        case "malt":
            loop = malt(chosen.problems, chosen.dev)
        case _:
            loop = star(chosen.problems, chosen.dev, chosen.samples)
    for found in loop:
        print(found, flush=True)


def sampled(loop: str, iteration: int) -> int:
    """Tokens that were sampled to train on, up to an iteration."""
    stages = (json.loads(line) for line in (OUTPUT / loop / "stages.jsonl").open())
    own = [s for s in stages if s["name"] in ("sample", "tree") and s["iteration"] <= iteration]
    return sum(stage["tokens"] for stage in own)


def point(tokens: int, measured: dict[str, Any]) -> Point:
    low, high = measured["evaluation"]["interval"]
    return Point(tokens, measured["evaluation"]["accuracy"], low, high)


def draw(found: dict[str, dict[str, Any]]) -> str:
    """Draw accuracy over the tokens that were sampled to train on."""
    first = sampled("begin", 2)
    lines = []
    for name, began, arm in (
        ("STaR, a vote of nine", "begin, vote", "star"),
        ("MALT, three passes", "begin, passes", "malt"),
    ):
        ends = [(i, found[f"{arm} {i}"]) for i in (1, 2) if f"{arm} {i}" in found]
        points = [(first, found[began]), *((first + sampled(arm, i), one) for i, one in ends)]
        lines.append(Line(name, [point(tokens, one) for tokens, one in points]))
    title = "Nine calls a problem, before and after two iterations"
    return chart(title, lines, x="tokens sampled to train on", y="accuracy")


def report(picture: Path | None) -> None:
    """Print what was measured, and the paired comparison of the ends."""
    found = {
        path.stem: json.loads(path.read_text())
        for path in sorted((OUTPUT / "measured").glob("*.json"), key=lambda p: p.stat().st_mtime)
    }
    print(training.table([training.Evaluation(**one["evaluation"]) for one in found.values()]))
    for name, one in found.items():
        print(name, one["families"])
        if "malt" in name or "passes" in name:
            print(one["roles"])
    for a, b in (("star 1", "malt 1"), ("star 2", "malt 2"), ("begin, vote", "star 2")):
        if a in found and b in found:
            print(f"{b} against {a}: {training.compare(found[a]['scores'], found[b]['scores'])}")
    for arm in ("begin", "malt", "star"):
        if (OUTPUT / arm).is_dir():
            print(f"{arm}: {sampled(arm, 1):,} and {sampled(arm, 2):,} tokens sampled to train on")
    if picture is not None:
        picture.write_text(draw(found))


if __name__ == "__main__":
    main()
