"""What was learned on problems and helps with similar ones: lessons, and solved examples.

It stands in the file of the run store. What a programmatic grader has not verified is kept and
never recalled, and nothing is kept of a problem that is held back for measuring. Each lesson knows
who wrote it, in which run, on which problem, what it derives from and which grader verified it;
`forget` removes a source with all that derives from it.

Recall is Reflexion's memory between problems (Shinn et al. 2023, arXiv:2303.11366); solved examples
as demonstrations are those of Liu et al. 2022 (arXiv:2101.06804), by similarity of the problem.
What is left out: forgetting by age, merging lessons into one, and counting how often one helped.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from uuid import uuid4

import apsw

from cogitate.agents import Lesson, Provenance
from cogitate.errors import ConfigError
from cogitate.graphs import Episode
from cogitate.graphs.episode import graded
from cogitate.memory.database import Database, Durability
from cogitate.memory.embedder import Embedder
from cogitate.memory.exchange import read_lessons, write_lessons
from cogitate.memory.remembered import Field, Kept, Sort, forget, insert, prompt_key
from cogitate.memory.schema import MIGRATIONS
from cogitate.memory.shelf import Query, Shelf
from cogitate.memory.vectors import Vectors
from cogitate.tasks import Example, Problem, grader_for
from cogitate.tasks.held_back import held_back

__all__ = ["Experience"]

_LONGEST = 4_000


@dataclass(init=False, repr=False, eq=False)  # its one field tells a kept run by which it is known
class Experience:
    """Lessons and solved examples, recalled by the similarity of their problems.

    It is a `Lessons` and an `Examples`, so `Reflexion` and `Recalling` take it as it is.

    Args:
        place: A file, such as that of the run store, or an open `Database`; None keeps it in
            memory.
        embedder: Compares problems by meaning; None compares their words.
        most: How many lessons, or examples, a problem recalls at most.
        similarity: The least similarity of two problems, from 0 to 1.
        longest: The most characters of a text that is kept.
        durability: Of a file that is opened here; see `Database`.

    Raises:
        ConfigError: A value has no meaning, or the file is something else.
        StoreError: The file cannot be opened.

    Example:
        >>> import asyncio
        >>> memory = Experience()
        >>> proven = Provenance(grader="MathGrader", outcome="2f.0")
        >>> lesson = Lesson(
        ...     text="Carry.",
        ...     problem="a",
        ...     prompt="Add 38 and 47.",
        ...     verified=True,
        ...     provenance=proven,
        ... )
        >>> asyncio.run(memory.learn(lesson))
        >>> [one.text for one in asyncio.run(memory.recall(Problem(prompt="Add 5 and 66.")))]
        ['Carry.']
        >>> memory.close()
    """

    run: str = ""
    """The run that it is for (see `during`); "" for none."""

    def __init__(
        self,
        place: str | Path | Database | None = None,
        *,
        embedder: Embedder | None = None,
        most: int = 3,
        similarity: float = 0.3,
        longest: int = _LONGEST,
        durability: Durability = "full",
    ) -> None:
        if most < 1 or not 0 <= similarity <= 1 or longest < 1:
            raise ConfigError(
                f"Experience(most={most}, similarity={similarity}, longest={longest}): most and "
                "longest are at least 1, and similarity lies in [0, 1]"
            )
        self._closing: list[Callable[[], None]] = []
        self._database, vfs = _opened(place, durability)
        self._vectors = None if embedder is None else Vectors(self._database, embedder, vfs=vfs)
        if self._vectors is not None:
            self._closing.append(self._vectors.close)
        if not isinstance(place, Database):
            self._closing.append(self._database.close)
        self._shelf = Shelf(self._database, self._vectors)
        self._most = most
        self._similarity = similarity
        self._longest = longest
        self.run = ""
        self._newest: int | None = None
        self._noted: set[tuple[bytes, str]] = set()
        self.dropped: Counter[str] = Counter()
        """How many were not kept, by reason."""

    def during(self, run: str) -> Self:
        """The same memory, for one run: what a problem recalls does not depend on when it asks.

        It recalls what was kept when the run first asked, and nothing that was learned later, in
        this run or another, except that what is forgotten is gone. A run of the same name that is
        gone on with, in another process or on another day, recalls the same. What is learned
        names the run as its source.

        Args:
            run: A name for the run, of your choice.
        """
        if not run:
            raise ConfigError("during('') names no run: give it a name")
        view = copy.copy(self)
        view.run = run
        view._newest = None
        view._noted = set()
        view._closing = []
        return view

    async def recall(self, problem: Problem) -> list[Lesson]:
        """The verified lessons of similar problems, the most similar first, then the newest."""
        return [kept.lesson for kept in await self._recall("lesson", problem)]

    async def examples(self, problem: Problem) -> list[Example]:
        """Similar problems with solutions that were graded right, the most similar first."""
        return [
            Example(prompt=one.prompt, response=one.text, author=one.provenance.model)
            for one in (kept.lesson for kept in await self._recall("example", problem))
        ]

    async def learn(self, lesson: Lesson) -> None:
        """Keep a lesson, verified or not; what is not kept is counted in `dropped`.

        Raises:
            ConfigError: It is said to be verified, and not by which grader on which thought.
        """
        proof = lesson.provenance
        if lesson.verified and not (proof.grader and proof.outcome):
            raise ConfigError(
                "a verified lesson names what verified it: give provenance=Provenance(grader=..., "
                "outcome=...), or verified=False"
            )
        await self._keep("lesson", lesson)

    async def remember(self, episode: Episode) -> bool:
        """Keep the solution of an episode as a worked example, if a grader calls it right.

        It is graded here, once more: what the episode says of its grade is not relied on.

        Returns:
            Whether it is kept.
        """
        problem, result = episode.problem, episode.result
        thought = None if result is None else result.thought
        if thought is None or not (await graded(Episode(problem, result, None))).correct:
            self.dropped["it was not graded right"] += 1
            return False
        return await self._keep(
            "example",
            Lesson(
                text=episode.graph.text(thought),
                problem=problem.id,
                prompt=problem.prompt,
                kind=problem.kind,
                verified=True,
                provenance=Provenance(
                    thought=thought.id,
                    author=thought.agent,
                    model="" if thought.source is None else thought.source.model,
                    grader=type(grader_for(problem)).__name__,
                    outcome=thought.id,
                ),
            ),
        )

    async def forget(self, field: Field, value: str) -> int:
        """Remove a source and all that derives from it; nothing of it is kept ever again.

        What derives from a lesson is all that was learned on a problem that was shown it. The
        text may stand in free pages of the file until SQLite's VACUUM.

        Args:
            field: What names the source: `id`, `run`, `problem`, `prompt`, `author`, `model` or
                `grader`.
            value: Its name.

        Returns:
            How many lessons and examples were removed.
        """
        if not value:
            raise ConfigError(f"forget({field!r}, ''): name what shall be forgotten")
        return await self._database.write(lambda db: forget(db, field, value))

    def kept(self) -> Iterator[Kept]:
        """Yield all that is kept, verified or not, in the order of learning."""
        yield from self._shelf.all()

    @property
    def damaged(self) -> int:
        """How many damaged records were met: they are neither recalled nor told."""
        return len(self._shelf.damaged)

    def save(self, path: str | Path) -> int:
        """Write all that is kept as lines of JSON, and return how many there are."""
        return write_lessons(path, self._shelf.all())

    async def load(self, path: str | Path) -> int:
        """Keep what another memory has saved, as unverified: it is never recalled.

        Their source is the run `import:NAME`, with the name of the file.

        Returns:
            How many are kept that were not before.

        Raises:
            DataError: A line is not what `save` writes; then nothing is kept.
        """
        before = sum(1 for _ in self._shelf.all())
        for sort, lesson in read_lessons(path):
            await self._keep(sort, lesson)
        return sum(1 for _ in self._shelf.all()) - before

    def close(self) -> None:
        """Close what was opened here."""
        while self._closing:
            self._closing.pop(0)()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        run = f", run={self.run!r}" if self.run else ""
        return f"Experience({self._database.path.name!r}{run})"

    async def _recall(self, sort: Sort, problem: Problem) -> list[Kept]:
        if self.run and self._newest is None:
            run = self.run
            self._newest = await self._database.write(lambda db: _begin(db, run))
        vector = None
        if self._vectors is not None:
            await self._vectors.keep(self._shelf.all(after=self._vectors.made))
            vector = await self._vectors.embed(problem.prompt)
        query = Query(sort, problem, self._most, self._similarity, self._newest, vector)
        found = self._shelf.find(query)
        await self._note(problem, found)
        return found

    async def _note(self, problem: Problem, found: list[Kept]) -> None:
        """Write down what a problem is shown: what is learned on it derives from that."""
        prompt = prompt_key(problem.prompt)
        new = {(prompt, kept.lesson.id) for kept in found} - self._noted
        if new:
            rows = [(self.run, prompt, key) for prompt, key in sorted(new)]

            def write(db: apsw.Connection) -> None:
                db.executemany("INSERT OR IGNORE INTO experience_recalls VALUES(?, ?, ?)", rows)

            await self._database.write(write)
            self._noted |= new

    async def _keep(self, sort: Sort, lesson: Lesson) -> bool:
        if reason := self._refusal(lesson):
            self.dropped[reason] += 1
            return False
        if self.run and not lesson.provenance.run:
            source = lesson.provenance.model_copy(update={"run": self.run})
            lesson = lesson.model_copy(update={"provenance": source})
        run = self.run
        done = await self._database.write(lambda db: insert(db, sort, lesson, ancestry=run))
        if isinstance(done, str):
            self.dropped[done] += 1
        return not isinstance(done, str)

    def _refusal(self, lesson: Lesson) -> str | None:
        """Why something is not kept."""
        if not lesson.text.strip():
            return "it is empty"
        if len(lesson.text) > self._longest:
            return f"it is longer than {self._longest} characters"
        problem = Problem(id=lesson.problem, prompt=lesson.prompt, kind=lesson.kind)
        return held_back(problem) and "its problem is held back for measuring"


class _Opened(NamedTuple):
    database: Database
    vfs: str | None


def _opened(place: str | Path | Database | None, durability: Durability) -> _Opened:
    if isinstance(place, Database):
        return _Opened(place, None)
    if place is None:  # a file of SQLite's own in memory, which several connections see
        name = f"/experience-{uuid4().hex}"
        return _Opened(Database(name, MIGRATIONS, vfs="memdb"), "memdb")
    return _Opened(Database(place, MIGRATIONS, durability=durability), None)


def _begin(db: apsw.Connection, run: str) -> int:
    """Return the newest item that a run may recall, fixed when it first asks."""
    db.execute(
        "INSERT OR IGNORE INTO experience_runs"
        " VALUES(?, (SELECT ifnull(max(id), 0) FROM experiences))",
        (run,),
    )
    query = "SELECT newest FROM experience_runs WHERE run = ?"
    return int(next(db.execute(query, (run,)))[0])
