"""Lessons and solved episodes for the tests of memories, and what a memory says of them."""

import asyncio

import cogitate as cg
from cogitate.agents import Lesson, Lessons, Provenance
from cogitate.inference import Scripted
from cogitate.memory import Experience
from cogitate.tasks import Problem

PROVEN = Provenance(grader="NumericGrader", outcome="right.0")


def lesson(
    text: str,
    prompt: str,
    *,
    verified: bool = True,
    problem: str = "",
    kind: str = "auto",
    derived_from: tuple[str, ...] = (),
    **source: str,
) -> Lesson:
    proof = PROVEN if verified else Provenance()
    return Lesson(
        text=text,
        problem=problem or f"of {prompt}",
        prompt=prompt,
        kind=kind,
        verified=verified,
        provenance=proof.model_copy(update={**source, "derived_from": derived_from}),
    )


def learn(memory: Lessons, *lessons: Lesson) -> None:
    for one in lessons:
        asyncio.run(memory.learn(one))


def recalled(memory: Lessons, prompt: str, problem: str = "now") -> list[str]:
    return [one.text for one in asyncio.run(memory.recall(Problem(id=problem, prompt=prompt)))]


def told(memory: Experience) -> list[str]:
    return [kept.lesson.text for kept in memory.kept()]


def solved(prompt: str, answer: str, reference: str | None, **options: str) -> cg.graphs.Episode:
    problem = Problem(prompt=prompt, reference=reference, kind="numeric", **options)  # type: ignore[arg-type]  # ids
    team = cg.Team.of(Scripted([f"So it is.\nAnswer: {answer}"]))
    forged = cg.tasks.Grade(score=1.0, reason="says who")
    return cg.graphs.Episode(problem, cg.solve(problem, team, cg.ChainOfThought()), forged)


def examples(memory: Experience, prompt: str) -> list[tuple[str, str]]:
    found = asyncio.run(memory.examples(Problem(prompt=prompt)))
    return [(one.prompt, one.response) for one in found]
