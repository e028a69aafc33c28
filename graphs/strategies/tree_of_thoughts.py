"""Tree of Thoughts (Yao et al. 2023, arXiv:2305.10601).

Thoughts come by `propose` (several next steps in one reply) or by `sample` (independent steps);
states are judged by `value` (each for itself) or by `vote` (all candidates in one prompt). Four
searches over them:

- `bfs`, the paper's: the best `breadth` states of a level are kept, and all of them gone on from. A
  solution holds one of these places for as long as no better states take it.
- `beam`: the same, but a solution leaves the beam and gives its place to an unfinished state.
- `dfs`, the paper's: best child first, back to the next one where none is left.
- `best-first`, as A*: the highest value of the whole frontier first, then the deepest.

In `dfs` and `best-first` a solution ends the search when its turn comes, not when it is written.
States that are valued at or below `threshold` are pruned, in every search. The best-valued solution
that was reached is the result.

Departures from the paper:

- Proposals carry the answer. The paper makes one more call to write the answer of the best state;
  here it is made only where no solution was reached.
- A state's evaluation starts when its own proposal is there, whatever its siblings do.
- States of one depth that say the same, or have the same `left: ...` (the numbers that remain of a
  Game of 24), take one place: the better valued in `bfs` and `beam`, the first turn otherwise.
- With `parallel` above 1, decision i of `dfs` and `best-first` does not see the last `parallel` - 1
  results before it.
"""

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain
from typing import Literal, NamedTuple

from cogitate.agents import Brief, Passage, Shot, Template, parse_choice
from cogitate.agents.game24 import left_over
from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.gather import gather
from cogitate.graphs.in_order import in_order
from cogitate.graphs.operation import Operation
from cogitate.graphs.parameter import check_choices
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind

__all__ = ["TreeOfThoughts"]

_VOTE = Operation(
    "verifier",
    ThoughtKind.VERDICT,
    Relation.VERIFIES,
    Template(
        "Problem:\n{problem}\n\n{work}\n\nWhich of these candidates is the most likely to be right "
        "and to lead to the right answer? Compare them in a few words. The last line must be the "
        "number of the best, in this form:\nChoice: 1",
        system="You compare candidates carefully.",
    ),
    shots=(
        Shot(
            Brief(
                "Calculate 38 + 47 - 21.",
                (Passage("candidate 1", "38 + 47 = 75"), Passage("candidate 2", "38 + 47 = 85")),
            ),
            "38 + 47 is 85, not 75.\nChoice: 2",
        ),
    ),
)


@strategy(
    "tree-of-thoughts",
    paper="Yao et al. 2023, arXiv:2305.10601",
    calls="bfs at most: 1 + breadth * (depth - 1) expansions, each one proposal (or width samples) "
    "and width * samples verdicts; with vote, samples ballots a level instead of the verdicts",
    pays="where a wrong beginning can be seen to be hopeless, as in puzzles",
)
@dataclass(frozen=True)
class TreeOfThoughts:
    """Search a tree of partial solutions that the model itself evaluates."""

    breadth: int = 5
    """States kept of a level (the paper's b), in `bfs` and `beam`."""
    depth: int = 3
    """Thoughts on the way to a solution, at most (T)."""
    width: int = 5
    """Thoughts asked for at a state (k)."""
    generate: Literal["propose", "sample"] = "propose"
    """Several thoughts in one reply, or independent ones."""
    evaluate: Literal["value", "vote"] = "value"
    """Each state for itself, or all candidates in one prompt."""
    samples: int = 3
    """Verdicts averaged for a state, of a verifier that writes them, or ballots of a vote."""
    search: Literal["bfs", "dfs", "beam", "best-first"] = "bfs"
    """In which order states are gone on from."""
    threshold: float | None = None
    """States valued at or below it are pruned (v_th); None: none is."""
    expansions: int = 100
    """States that `dfs` and `best-first` go on from, at most (the paper's crosswords: 100)."""
    parallel: int = 1
    """Expansions that `dfs` and `best-first` have under way at the same moment."""
    merge: bool = True
    """States of one depth that say the same take one place."""

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        check_choices(self)
        for name in ("breadth", "depth", "width", "samples", "expansions", "parallel"):
            if getattr(self, name) < 1:
                raise ConfigError(f"TreeOfThoughts({name}={getattr(self, name)}): give at least 1")
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise ConfigError(
                f"TreeOfThoughts(threshold={self.threshold}): give a score of at least 0 and below "
                "1, or None"
            )
        if self.search == "best-first" and self.evaluate == "vote":
            raise ConfigError(
                "TreeOfThoughts(search='best-first', evaluate='vote'): a vote compares the states "
                "it is shown and no others; use evaluate='value'"
            )

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the best solution that was reached, or the best state, finished."""
        tree = _Tree(self, d)
        await (tree.by_level() if self.search in ("bfs", "beam") else tree.by_turn())
        return await tree.result()


class _State(NamedTuple):
    """A partial or whole solution."""

    thought: Thought
    depth: int
    value: float = 0.0

    @property
    def solved(self) -> bool:
        return self.thought.kind is ThoughtKind.SOLUTION

    @property
    def dead(self) -> bool:
        """It cannot be gone on from, and has no answer."""
        return not self.thought.text or (self.solved and self.thought.answer is None)


class _Tree:
    """One search."""

    def __init__(self, how: TreeOfThoughts, d: Deliberation) -> None:
        self.how, self.d = how, d
        self.root = _State(d.problem, 0)
        self.all: list[_State] = []
        self.ends: list[_State] = []
        """Where the search stood when it ended; pruned states do not count."""
        self.reached: list[_State] = []
        """The solutions whose place or turn it was."""

    async def by_level(self) -> None:
        """Keep the best states of each level, and go on from all of them at once."""
        kept = [self.root]
        for depth in range(1, self.how.depth + 1):
            solved = [state for state in kept if state.solved]
            if len(solved) == len(kept):
                break
            grown = await gather(self.grow(state) for state in kept if not state.solved)
            level = await self.judge([*solved, *chain.from_iterable(grown)], depth)
            self.all += level
            level.sort(key=lambda state: -state.value)
            level = self.distinct(filter(self.hopeful, level))
            if self.how.search == "beam":
                self.reached += [state for state in level if state.solved]
                level = [state for state in level if not state.solved]
            kept = level[: self.how.breadth]
        self.ends = kept
        self.reached = self.reached or [state for state in kept if state.solved]

    async def by_turn(self) -> None:
        """Go on from one state after the other, `parallel` at the same moment."""
        frontier: list[tuple[tuple[float, ...], _State]] = [((), self.root)]
        seen: set[object] = set()
        begun = settled = 0

        def begin(_number: int) -> Coroutine[None, None, list[_State] | None] | None:
            nonlocal begun
            while frontier and not self.reached and begun < self.how.expansions:
                _, state = heappop(frontier)
                if state.solved:
                    self.reached.append(state)
                elif state.depth == self.how.depth:
                    self.ends.append(state)
                elif (what := self.says(state)) not in seen:
                    seen.add(what)
                    begun += 1
                    return self.grow_and_judge(state)
            over = self.reached or begun == self.how.expansions or begun == settled
            return None if over else _nothing()

        def settle(_number: int, grown: list[_State] | None) -> None:
            nonlocal settled
            if grown is None:
                return
            settled += 1
            self.all += grown
            grown.sort(key=lambda state: -state.value)
            for rank, state in enumerate(filter(self.hopeful, grown)):
                best_first = -state.value, -state.depth, settled, rank
                turn = (-settled, rank) if self.how.search == "dfs" else best_first
                heappush(frontier, (turn, state))

        # Of `parallel` decisions in a row at least one goes on from a state.
        await in_order(self.how.expansions * self.how.parallel, self.how.parallel, begin, settle)
        self.ends += [state for _, state in frontier]

    async def result(self) -> Thought:
        """The best solution that was reached; without one, the best state, finished."""
        states = self.reached or self.ends or self.all or [self.root]
        best = max(states, key=lambda s: (s.solved, 0 if s.solved else s.depth, s.value))
        return (await self.d.finish(best.thought))[0]

    async def grow(self, state: _State) -> list[_State]:
        """The states one thought further; each is valued as soon as it is there."""
        depth = state.depth + 1
        if self.how.generate == "sample":
            sampled = await gather(self._sample(state, i) for i in range(self.how.width))
            return [state for state in sampled if not state.dead]
        proposed = await self.d.propose(self.how.width, state.thought)
        new = self.distinct(_State(thought, depth) for thought in proposed)
        return await gather(self._value(state) for state in new if not state.dead)

    async def _sample(self, state: _State, number: int) -> _State:
        [thought] = await self.d.steps(1, state.thought, first=number)
        return await self._value(_State(thought, state.depth + 1))

    async def _value(self, state: _State) -> _State:
        if self.how.evaluate == "vote" or state.dead:
            return state
        value = await self.d.verify(state.thought, samples=self.how.samples)
        return state._replace(value=value)

    async def grow_and_judge(self, state: _State) -> list[_State] | None:
        """The states one thought further, all of them evaluated."""
        return await self.judge(await self.grow(state), state.depth + 1)

    async def judge(self, states: list[_State], depth: int) -> list[_State]:
        """Have the states compared by vote, if that is how."""
        if self.how.evaluate == "vote":
            shares = await self._vote([state.thought for state in states], depth)
            states = [s._replace(value=share) for s, share in zip(states, shares, strict=True)]
        return states

    async def _vote(self, candidates: list[Thought], depth: int) -> list[float]:
        """Each candidate's share of the ballots that name one; kept as its score `vote-DEPTH`."""
        if len(candidates) < 2:
            return [1.0] * len(candidates)
        work = [
            Passage(f"candidate {i}", self.d.graph.text(candidate))
            for i, candidate in enumerate(candidates, start=1)
        ]
        ballots = await self.d.ask("vote", candidates, n=self.how.samples, work=work, spec=_VOTE)
        numbers = range(1, len(candidates) + 1)
        cast = [choice for b in ballots if (choice := parse_choice(b.text)) in numbers]
        if not cast:
            return [0.0] * len(candidates)
        shares = [cast.count(number) / len(cast) for number in numbers]
        for candidate, share in zip(candidates, shares, strict=True):
            self.d.graph.score(candidate, f"vote-{depth}", share)
        return shares

    def hopeful(self, state: _State) -> bool:
        """Whether a state is not pruned."""
        return self.how.threshold is None or state.value > self.how.threshold

    def distinct(self, states: Iterable[_State]) -> list[_State]:
        """The first of all states that say the same."""
        if not self.how.merge:
            return list(states)
        first: dict[object, _State] = {}
        for state in states:
            first.setdefault(self.says(state), state)
        return list(first.values())

    def says(self, state: _State) -> object:
        """What a state comes to: what is left, where it says so, or else its text."""
        if not self.how.merge:
            return state.thought.id
        if state.solved:
            return state.thought.text.strip()
        left = left_over(state.thought.text)
        return state.depth, tuple(sorted(left)) or self.d.graph.text(state.thought).strip()


async def _nothing() -> list[_State] | None:
    """Wait for an earlier expansion: there is no state to go on from until it has ended."""
    return None
