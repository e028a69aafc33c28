"""What experience gains, what it costs where it is irrelevant, and how fast it is recalled.

    python benchmarks/experience.py [--train 200] [--test 300] [--seeds 5] [--similarity 0.3]
                                    [--sizes 1000 10000] [--json]

Gain and harm are *simulated*: a program plays the solver, at the rates of `simulation/parcels.py`.
Reflexion learns on one family of problems with their grader; then fresh problems of that family and
of two others are solved with its lessons and without, with the same chance, and compared problem by
problem. Recall is timed on a file of lessons whose problems share a vocabulary of 2,000 words, 40
words each.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from simulation.measure import Difference, difference, engine, measure
from simulation.parcels import Parcels, parcels, right_lesson

import cogitate as cg
from cogitate.agents import Lesson, Provenance
from cogitate.memory import Experience
from cogitate.tasks import NumericGrader, Problem

FAMILIES = ("fees", "books", "sums")
_PROVEN = Provenance(grader="NumericGrader", outcome="made.0")


class Effect(NamedTuple):
    """What lessons did on one family."""

    family: str
    without: float
    """The share that was right without any."""
    with_lessons: float
    gain: Difference
    shown: float
    """Lessons in a prompt, on average."""


class Speed(NamedTuple):
    """Times on a file of so many lessons, in milliseconds but for the first."""

    lessons: int
    learned_each_second: float
    first: float
    """The first recall: the file is opened and read."""
    middle: float
    """The median of the later recalls."""
    slowest: float


def effects(
    *, train: int, test: int, seed: int = 0, similarity: float = 0.3
) -> tuple[list[Effect], Experience]:
    """Learn on fees, then solve each family with and without what was learned."""
    memory = Experience(similarity=similarity)
    lessons = parcels("fees", train, seed=seed)
    team = cg.Team.of(engine(Parcels(lessons)), verifier=NumericGrader())
    learning = cg.Reflexion(trials=3, lessons=memory.during("train"))
    cg.run([problem for problem, _ in lessons.values()], team, learning, seed=seed)
    found = []
    for family in FAMILIES:
        fresh = parcels(family, test, seed=seed + 1)
        problems = [problem for problem, _ in fresh.values()]
        solver = Parcels(fresh)
        solving = cg.Team(cg.Generator(engine(solver)))
        plain = measure(problems, solving, cg.ChainOfThought(), seed=seed, name="without")
        recalling = cg.Recalling(cg.ChainOfThought(), lessons=memory.during(f"test {family}"))
        helped = measure(problems, solving, recalling, seed=seed, name="with")
        gain = difference(helped.right, plain.right)
        found.append(Effect(family, plain.accuracy, helped.accuracy, gain, solver.shown / test))
    return found, memory


def speed(size: int, *, recalls: int = 100) -> Speed:
    """Time a file of lessons."""
    draw = random.Random(size)
    words = [f"w{draw.randrange(36**6):x}y" for _ in range(2_000)]
    prompts = [" ".join(draw.choices(words, k=40)) for _ in range(size + recalls)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lessons.db"
        with Experience(file) as memory:
            started = time.perf_counter()
            asyncio.run(_learn(memory, prompts[recalls:]))
            learned = size / (time.perf_counter() - started)
        with Experience(file, similarity=0.05) as memory:
            times = asyncio.run(_recall(memory, prompts[:recalls]))
    later = times[1:]
    return Speed(size, learned, times[0], median(later), max(later))


async def _learn(memory: Experience, prompts: Sequence[str]) -> None:
    await asyncio.gather(
        *(
            memory.learn(
                Lesson(
                    text=f"Lesson {i}.",
                    problem=f"p{i}",
                    prompt=prompt,
                    verified=True,
                    provenance=_PROVEN,
                )
            )
            for i, prompt in enumerate(prompts)
        )
    )


async def _recall(memory: Experience, prompts: Sequence[str]) -> list[float]:
    times = []
    for i, prompt in enumerate(prompts):
        started = time.perf_counter()
        found = await memory.recall(Problem(id=f"asked {i}", prompt=prompt))
        times.append(1_000 * (time.perf_counter() - started))
        assert found, "nothing was recalled: the times would tell nothing"
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--similarity", type=float, default=0.3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    several = [
        effects(train=given.train, test=given.test, seed=10 * i, similarity=given.similarity)
        for i in range(given.seeds)
    ]
    speeds = [speed(size) for size in given.sizes]
    if given.json:
        print(json.dumps({"effects": [e for e, _ in several], "speeds": speeds}))
        return
    print("family  without  with    gain (95%)                lessons in a prompt")
    for found, _ in several:
        for e in found:
            low, high = 100 * e.gain.low, 100 * e.gain.high
            print(
                f"{e.family:7} {e.without:6.1%}  {e.with_lessons:6.1%}  "
                f"{100 * e.gain.value:+5.1f} ({low:+.1f} to {high:+.1f})".ljust(52)
                + f"{e.shown:.2f}"
            )
    for _, memory in several:
        kept = list(memory.kept())
        usable = [one for one in kept if one.recallable]
        right = fmean(right_lesson(one.lesson.text) for one in usable)
        print(f"{len(kept)} lessons kept, {len(usable)} verified, {right:.1%} of those right")
        memory.close()
    for s in speeds:
        print(
            f"{s.lessons} lessons: {s.learned_each_second:,.0f} learned a second; first recall "
            f"{s.first:.0f} ms, then {s.middle:.1f} ms (slowest {s.slowest:.1f} ms)"
        )


if __name__ == "__main__":
    main()
