"""From thought graphs to training rows: what graders said of solutions, and credit for the rest.

Every solution of every graph is graded by its problem's own grader, whatever a critic or a verifier
thought of it; a credit method says from these grades what each other thought is worth; rows are
made of that, for every role. That an answer is right does not make every step right: a row is as
good as the grader and the method. Nothing is held in memory but one episode. One that cannot be
what a run makes is `malformed`: its rows end there, and the others go on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Episode, Thought, ThoughtGraph
from cogitate.graphs.waiting import Waiting
from cogitate.memory import KeptEpisode
from cogitate.tasks import has_answer_line
from cogitate.training.credit import Credit, CreditMethod, ValueBackup
from cogitate.training.dataset import distinct
from cogitate.training.exports.trajectory import Trajectory, trajectories_of
from cogitate.training.judge import Graded, Judge, Unfit, check_fit
from cogitate.training.rows import KTORow, PreferenceRow, PromptRow, RankedRow, SFTRow, StepRow
from cogitate.training.rows_from import (
    Credits,
    PromptForm,
    StartKind,
    Worth,
    coat_rows,
    preference_rows,
    prompt_rows,
    ranked_rows,
    sft_rows,
    step_rows,
    unpaired_rows,
)
from cogitate.training.rows_from.asked import asked
from cogitate.training.rows_from.replies import sft_row
from cogitate.training.sources import Harvestable, Source, graph_of, run_of
from cogitate.training.stream import R, Rows, Verification

__all__ = ["CreditKeeper", "Harvest", "PromptForm", "Verified", "harvest"]


class CreditKeeper(Protocol):
    """Keeps credits for good, such as a run store: more are added, none is replaced."""

    def append_credits(self, episode: Episode | ThoughtGraph, credits: Sequence[Credit]) -> int:
        """Add the credits of an episode, each once however often it comes; return the new ones."""
        ...


class Verified(NamedTuple):
    """The solutions that a grader found right, and what became of every other one."""

    rows: list[SFTRow]
    counts: dict[str, int]
    """`solutions` in all, of which: `kept`; `failed` (no text), `wrong`, `undecided` (the grader
    could not), `disputed` (another grade was written before), `cut` (at the token limit),
    `unmarked` (no line `Answer: ...`), `no prompt`, `duplicates`, `capped`."""


class Harvest:
    """Episodes as training rows, one kind a method; rows are made when they are iterated over.

    Args:
        source: What is harvested.
        credit: What each thought is worth.
        prompt: Which prompt the replies are trained on.
        regrade: See `harvest`.
        unfit: See `harvest`.
        keep: Where credits are kept.
    """

    def __init__(
        self,
        source: Harvestable,
        *,
        credit: CreditMethod,
        prompt: PromptForm,
        regrade: bool,
        unfit: Unfit,
        keep: CreditKeeper | None,
    ) -> None:
        self._source = Source(source)
        self._credit = credit
        self._prompt: PromptForm = prompt
        self._judge = Judge()
        self._regrade = regrade
        self._unfit: Unfit = unfit
        self._keep = keep

    def sft(self, role: str | None = None, *, marked: bool = True) -> Rows[SFTRow]:
        """Replies to imitate: those whose credit is positive.

        Args:
            role: Of this role alone.
            marked: Solutions only where they mark their answer with a line `Answer: ...`.
        """
        return self._rows(
            SFTRow, lambda found, counts: sft_rows(found, counts, role=role, marked=marked)
        )

    def preferences(self, role: str | None = None) -> Rows[PreferenceRow]:
        """Pairs of siblings: the credit of one is positive, that of the other is not."""
        return self._rows(
            PreferenceRow, lambda found, counts: preference_rows(found, counts, role=role)
        )

    def ranked(self, role: str | None = None) -> Rows[RankedRow]:
        """Siblings in the order of their credit."""
        return self._rows(RankedRow, lambda found, counts: ranked_rows(found, counts, role=role))

    def unpaired(self, role: str | None = None) -> Rows[KTORow]:
        """Single replies that are wanted or not wanted."""
        return self._rows(KTORow, lambda found, counts: unpaired_rows(found, counts, role=role))

    def steps(self, role: str | None = None) -> Rows[StepRow]:
        """Solutions in steps, with a label for each of which the credit says something.

        Raises:
            ConfigError: When they are iterated over: the credits are advantages.
        """
        return self._rows(StepRow, lambda found, counts: step_rows(found, counts, role=role))

    def prompts(
        self, *, starts: Sequence[StartKind] = ("problem", "restarts"), back: int = 2
    ) -> Rows[PromptRow]:
        """Where an episode of reinforcement learning may begin.

        Args:
            starts: `problem`, `restarts` (Satori's, after graded solutions), `steps` (after every
                step of the graph, as sampled).
            back: The most actions that a restart leaves out.
        """
        graded = "restarts" in starts
        return self._rows(
            PromptRow,
            lambda found, counts: prompt_rows(found, counts, starts=starts, back=back),
            graded=graded,
            credited=False,
        )

    def coat(self, *, plain: bool = False) -> Rows[SFTRow]:
        """Right chains that reflect or explore, as text with Satori's tokens.

        Args:
            plain: Those that only go on as well.
        """
        return self._rows(
            SFTRow, lambda found, counts: coat_rows(found, counts, plain=plain), credited=False
        )

    def trajectories(self, counts: Counter[str] | None = None) -> Iterator[Trajectory]:
        """Yield what led to each end of each graph, in the Agent Trajectory Interchange Format.

        Args:
            counts: Takes how many episodes there were, and what was left out.
        """
        for episode, found in self._graded(Counter() if counts is None else counts, graded=False):
            yield from trajectories_of(found.graph, run=run_of(episode))

    def verified(
        self, role: str | None = None, *, per_problem: int | None = 4, marked: bool = True
    ) -> Verified:
        """Collect the solutions that are right themselves, whatever was made of them.

        Args:
            role: Of this role alone.
            per_problem: The most replies kept for one text and role; the first ones.
            marked: Keep only replies that mark their answer with a line `Answer: ...`.

        Raises:
            ConfigError: A problem is held back for measuring, or has no reference answer.
        """
        counts: Counter[str] = Counter()
        found: list[SFTRow] = []
        for episode, graded in self._graded(Counter(), graded=True):
            graph = graded.graph
            credits = Credits(graph.problem, graph, {}, self._prompt, run_of(episode))
            found += _right(credits, graded, counts, role=role, marked=marked)
        rows, counts["duplicates"], counts["capped"] = distinct(found, per_problem=per_problem)
        counts["kept"] = len(rows)
        return Verified(rows, dict(counts))

    @cached_property
    def _all_verified(self) -> Verified:
        return self.verified()

    @property
    def rows(self) -> list[SFTRow]:
        """The rows of `verified()`."""
        return self._all_verified.rows

    @property
    def counts(self) -> dict[str, int]:
        """The counts of `verified()`."""
        return self._all_verified.counts

    def _rows(
        self,
        kind: type[R],
        make: Callable[[Credits, Counter[str]], Iterator[R]],
        *,
        graded: bool = True,
        credited: bool = True,
    ) -> Rows[R]:
        def draw(counts: Counter[str]) -> Iterator[R]:
            for episode, found in self._graded(counts, graded=graded):
                try:
                    yield from make(self._credits(episode, found, credited), counts)
                except (DataError, ValidationError):  # token ids that no vocabulary has, ...
                    counts["malformed"] += 1

        verified = Verification.GRADER if self._regrade else Verification.RECORDED
        return Rows(kind, draw, verification=verified)

    def _graded(
        self, counts: Counter[str], *, graded: bool
    ) -> Iterator[tuple[Episode | ThoughtGraph, Graded]]:
        with Waiting() as wait:
            for episode in self._source:
                graph = graph_of(episode)
                counts["episodes"] += 1
                if check_fit(graph.problem, self._unfit, counts, graded=graded):
                    recorded = not self._regrade and isinstance(episode, KeptEpisode)
                    yield episode, self._judge(graph, counts, recorded=recorded, wait=wait)

    def _credits(self, episode: Episode | ThoughtGraph, found: Graded, credited: bool) -> Credits:
        graph = found.graph
        credits = self._credit(graph).credits if credited else {}
        if self._keep is not None and credits:
            self._keep.append_credits(episode, [one for of in credits.values() for one in of])
        worth = {name: Worth.of(of) for name, of in credits.items()}
        return Credits(graph.problem, graph, worth, self._prompt, run_of(episode))


def harvest(
    source: Harvestable,
    *,
    credit: CreditMethod | None = None,
    prompt: PromptForm = "sampled",
    regrade: bool = True,
    unfit: Unfit = "refuse",
    keep: CreditKeeper | None = None,
) -> Harvest:
    """Make training rows of episodes.

    Args:
        source: A run store, a report, or episodes or graphs. An iterator gives one kind of rows.
        credit: What each thought is worth; `ValueBackup(threshold=0.5)` by default.
        prompt: Which prompt the replies are trained on.
        regrade: Grade every solution here, and give none an outcome whose own grade differs. False
            takes the scores of source `grader` that stand on thoughts of a store, which must be of
            your own runs, and grades the rest: solutions of reports and graphs always.
        unfit: What becomes of problems that are held back for measuring and, where rows need
            grades, of those without a reference answer: `refuse` ends the harvest with a
            `ConfigError`, `drop` leaves them out and counts them.
        keep: Where the credits are kept as well.

    Example:
        >>> from cogitate.agents import Team
        >>> from cogitate.graphs import GenerateCritiqueRefine, run
        >>> from cogitate.inference import Scripted
        >>> from cogitate.tasks import Problem
        >>> def reply(request):
        ...     right = request.role == "refiner" or request.sample == 1
        ...     return f"{request.sample}. Answer: {42 if right else 41}"
        >>> problem = Problem(id="p", prompt="6 * 7?", reference="42")
        >>> report = run([problem], Team.of(Scripted(reply)), GenerateCritiqueRefine(k=2))
        >>> episodes = harvest(report, credit=ValueBackup(threshold=0.5))
        >>> [row.role for row in episodes.sft(role="refiner", marked=False)]
        ['refiner', 'refiner']
    """
    if prompt not in ("sampled", "zero-shot") or unfit not in ("refuse", "drop"):
        raise ConfigError(
            f"harvest(prompt={prompt!r}, unfit={unfit!r}): prompt is 'sampled' or 'zero-shot', "
            "unfit is 'refuse' or 'drop'"
        )
    if credit is not None and not callable(credit):
        raise ConfigError(
            f"harvest(credit={credit!r}): give a method, such as ValueBackup(), or "
            "credit_named('value-backup')"
        )
    return Harvest(
        source,
        credit=credit or ValueBackup(),
        prompt=prompt,
        regrade=regrade,
        unfit=unfit,
        keep=keep,
    )


def _right(
    credits: Credits, found: Graded, counts: Counter[str], *, role: str | None, marked: bool
) -> Iterator[SFTRow]:
    """Yield the solutions that are right themselves."""
    for thought in found.solutions():
        if role not in (None, thought.role):
            continue
        counts["solutions"] += 1
        shown = asked(credits, thought)
        fault = found.faults.get(thought.id) or _fault(thought, marked, credits.problem.kind)
        if fault is None and shown is None:
            fault = "no prompt"
        if fault is None and shown is not None:
            yield sft_row(credits, thought, shown, thought.scores["grader"], None)
        else:
            counts[str(fault)] += 1


def _fault(thought: Thought, marked: bool, kind: str) -> str | None:
    """Why a graded solution is no row, or None."""
    if thought.scores["grader"] < 1:
        return "wrong"
    if thought.finish == "length":
        return "cut"
    if marked and not has_answer_line(thought.text, kind=kind):
        return "unmarked"
    return None
