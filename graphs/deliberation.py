"""What a strategy works with: one problem, a team, a graph that grows, a budget, a random source.

A `Deliberation` has one method for each thing an agent can do. Each asks an agent, adds what it
said to the graph as thoughts, and returns them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from cogitate.agents import Agent, Passage, parse_choice, parse_proposals
from cogitate.graphs.inquiry import Inquiry
from cogitate.graphs.thought import Thought, ThoughtKind
from cogitate.graphs.verify import Panel, shown
from cogitate.graphs.vote import Ballot, vote
from cogitate.inference import Prefix, Sampling

__all__ = ["Deliberation"]

_STEP_END = ("\n\n",)
_ANSWER_INLINE = re.compile(r"\banswer[ \t]{0,4}:", re.IGNORECASE)


class Deliberation(Inquiry):
    """One problem being thought about: what the agents of a team can do, as methods."""

    _panel: Panel | None = None

    async def generate(
        self,
        parent: Thought | None = None,
        *,
        operation: str = "generate",
        agent: str | None = None,
    ) -> Thought:
        """Write a solution of a problem thought (the problem itself unless one is given)."""
        return (await self.samples(1, parent, operation=operation, agent=agent))[0]

    async def samples(
        self,
        n: int,
        parent: Thought | None = None,
        *,
        operation: str = "generate",
        agent: str | None = None,
    ) -> list[Thought]:
        """Write n solutions of a problem thought, or as many as the budget allows, at least one."""
        return await self.ask(operation, [parent or self.problem], n=n, agent=agent)

    async def steps(
        self,
        n: int,
        parent: Thought | None = None,
        *,
        stop: Sequence[str] = _STEP_END,
        max_tokens: int | None = None,
        agent: str | None = None,
        first: int | None = None,
    ) -> list[Thought]:
        """Continue a partial solution by one step, in n ways.

        A thought of kind `step` can be continued; its text is the step alone, with the stop string
        that ended it. Where the model ended its turn or marked an answer the thought is a
        `solution`, and its text is the whole of it.

        Args:
            n: How many ways.
            parent: A step, or the problem thought to begin with (the problem itself by default).
            stop: What ends a step; without any it ends at `max_tokens` or with the turn.
            max_tokens: The most tokens of a step, instead of the agent's own limit.
            agent: Who continues, where the team has several generators.
            first: The number of the first sample, where several asks at one place overlap.
        """
        return await self._continue(n, parent, tuple(stop), max_tokens, agent, first, "step")

    async def finish(
        self,
        parent: Thought,
        n: int = 1,
        *,
        max_tokens: int | None = None,
        agent: str | None = None,
        first: int | None = None,
    ) -> list[Thought]:
        """Continue a partial solution to its end, in n ways; a solution stays as it is."""
        if parent.kind is ThoughtKind.SOLUTION:
            return [parent] * n
        return await self._continue(n, parent, (), max_tokens, agent, first, "finish")

    async def _continue(
        self,
        n: int,
        parent: Thought | None,
        stop: tuple[str, ...],
        max_tokens: int | None,
        agent: str | None,
        first: int | None,
        operation: str,
    ) -> list[Thought]:
        parent = parent or self.problem
        who = self.team.agent(agent or "generator")
        sampling = _stopping(who.sampling, stop, max_tokens)
        return await self.ask(
            operation,
            [parent],
            n=n,
            agent=who.name,
            prompt="step",
            prefix=self._begun(parent, who),
            sampling=sampling,
            first=first,
        )

    def _begun(self, parent: Thought, who: Agent) -> Prefix | None:
        """The beginning of a solution that ends with `parent`, as sampled where that is known."""
        path = self.graph.path(parent)
        if not path:
            return None
        text = "".join([step.text for step in path])
        model = self._engines[who.name].info.model
        ids: list[int] = []
        for step in path:
            if step.tokens is None or step.source is None or step.source.model != model:
                return Prefix(text)
            ids += step.tokens.token_ids
        return Prefix(text, tuple(ids))

    async def propose(
        self, n: int, parent: Thought | None = None, *, agent: str | None = None
    ) -> list[Thought]:
        """Have up to n different next steps proposed in one reply.

        Each becomes a thought made from `parent` and the reply: a `solution` where it says
        `Answer: …`, a `step` otherwise.

        Args:
            n: How many to ask for.
            parent: A step, or the problem thought to begin with (the problem itself by default).
            agent: Who proposes, where the team has several generators.
        """
        parent = parent or self.problem
        begun = self.graph.text(parent) if parent.kind is ThoughtKind.STEP else ""
        work = [Passage("partial solution", begun)] if begun else []
        [reply] = await self.ask("propose", [parent], work=work, count=n, agent=agent)
        proposals = []
        for line in parse_proposals(reply.text, n):
            kind, text = ThoughtKind.STEP, line + "\n"
            if found := _ANSWER_INLINE.search(line):
                kind, text = ThoughtKind.SOLUTION, begun + _on_its_own_line(line, found.start())
            proposals.append(self.derive("proposal", kind, text, [parent, reply]))
        return proposals

    async def critique(self, solution: Thought, *, agent: str | None = None) -> Thought:
        """Say what is wrong with a solution or a step; `accepts` tells whether it may stay."""
        prompt = "critique_step" if solution.kind is ThoughtKind.STEP else None
        work = [self.passage(solution)]
        return (await self.ask("critique", [solution], work=work, agent=agent, prompt=prompt))[0]

    async def refine(
        self,
        draft: Thought,
        critique: Thought,
        *,
        history: Sequence[tuple[Thought, Thought]] = (),
        agent: str | None = None,
    ) -> Thought:
        """Write a better solution.

        Args:
            draft: The solution to mend.
            critique: What is wrong with it.
            history: Earlier pairs of draft and critique, oldest first, shown before them.
            agent: Who refines, where the team has several refiners.
        """
        rounds = (*history, (draft, critique))
        work = [
            Passage(label, thought.text)
            for pair in rounds
            for label, thought in zip(("solution", "critique"), pair, strict=True)
        ]
        return (await self.ask("refine", [draft, critique], work=work, agent=agent))[0]

    async def polish(self, problem: Thought, *, agent: str | None = None) -> Thought:
        """Rewrite a problem thought to be clearer; the original stays in the graph."""
        return (await self.ask("polish", [problem], agent=agent))[0]

    async def aggregate(self, thoughts: Sequence[Thought], *, agent: str | None = None) -> Thought:
        """Combine several solutions into one."""
        return (await self.ask("aggregate", thoughts, work=_numbered(thoughts), agent=agent))[0]

    async def select(self, thoughts: Sequence[Thought], *, agent: str | None = None) -> int | None:
        """Have a model name the response that agrees best with the others.

        Returns:
            Its index in `thoughts`, or None where the reply names none of them.
        """
        [reply] = await self.ask("select", thoughts, work=_numbered(thoughts), agent=agent)
        choice = parse_choice(reply.text)
        return choice - 1 if choice is not None and 1 <= choice <= len(thoughts) else None

    async def verify(self, thought: Thought, *, samples: int = 1) -> float:
        """Score a solution or a step by the team's verifiers; scores are kept on the thought.

        A step is scored together with all that leads to it. Several verifiers are asked at once,
        and the score is the mean of theirs; a grader among them has no say about steps.

        Args:
            thought: A solution or a step.
            samples: How many verdicts of a model that writes them are averaged.

        Returns:
            A score in [0, 1]; 0 for a thought without text, and where no verifier gave a score.

        Raises:
            ConfigError: The team has no verifier, or one that cannot do what it shall; or it is a
                grader alone, which cannot score a step.
            DataError: A verifier gave a score outside of [0, 1].
        """
        if not thought.text:
            return 0.0
        if self._panel is None:
            self._panel = Panel(self, self._engines)
        return await self._panel.score(thought, samples)

    def passage(self, thought: Thought) -> Passage:
        """A solution, or a step with all that leads to it, as another agent is shown it."""
        return shown(self.graph, thought)

    async def vote(
        self, thoughts: Sequence[Thought], *, weights: Sequence[float] | None = None
    ) -> Ballot:
        """Group solutions by equivalent answer and pick the heaviest group (see `vote`)."""
        return await vote(self.task, thoughts, weights=weights)


def _on_its_own_line(line: str, at: int) -> str:
    return f"{line[:at].rstrip()}\n{line[at:]}".lstrip()


@lru_cache(maxsize=256)
def _stopping(sampling: Sampling, stop: tuple[str, ...], max_tokens: int | None) -> Sampling:
    most = sampling.max_tokens if max_tokens is None else min(max_tokens, sampling.max_tokens)
    return replace(sampling, stop=(*stop, *sampling.stop), max_tokens=most)


def _numbered(thoughts: Sequence[Thought]) -> list[Passage]:
    return [Passage(f"response {i}", thought.text) for i, thought in enumerate(thoughts, start=1)]
