"""What a strategy works with: one problem, a team, a graph that grows, a budget, a random source.

A `Deliberation` has one method for each thing an agent can do. Each asks an agent, adds what it
said to the graph as thoughts, and returns them. Nothing here batches or waits: a strategy awaits
what it needs, in any number of tasks, and the engines batch whatever is outstanding.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cogitate.agents import (
    Agent,
    Brief,
    Critique,
    Passage,
    Reply,
    Solution,
    Team,
    Verdict,
    Verifier,
    parse_choice,
)
from cogitate.errors import ConfigError, EngineError
from cogitate.graphs.budget import Budget, Budgeted, Ledger
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.thought import Relation, Source, Thought, ThoughtKind, Tokens, position_of
from cogitate.graphs.verify import by_function, by_grader, by_logprob, keep_score
from cogitate.graphs.vote import Ballot, vote
from cogitate.inference import Completion, Engine, Message, Prefix, Request
from cogitate.tasks import Example, Problem

__all__ = ["OPERATIONS", "Deliberation", "Operation"]


class Operation(NamedTuple):
    """Who is asked for what, and where the reply stands in the graph."""

    role: str
    kind: ThoughtKind
    relation: Relation


OPERATIONS: Mapping[str, Operation] = {
    "direct": Operation("generator", ThoughtKind.SOLUTION, Relation.GENERATES),
    "generate": Operation("generator", ThoughtKind.SOLUTION, Relation.GENERATES),
    "polish": Operation("generator", ThoughtKind.PROBLEM, Relation.POLISHES),
    "critique": Operation("critic", ThoughtKind.CRITIQUE, Relation.CRITIQUES),
    "value": Operation("verifier", ThoughtKind.VERDICT, Relation.VERIFIES),
    "refine": Operation("refiner", ThoughtKind.SOLUTION, Relation.REFINES),
    "aggregate": Operation("refiner", ThoughtKind.SOLUTION, Relation.AGGREGATES),
    "select": Operation("refiner", ThoughtKind.VERDICT, Relation.AGGREGATES),
}
"""What the agents can be asked for. `Deliberation.ask` takes an `Operation` of one's own too."""


class Deliberation:
    """One problem being thought about.

    Args:
        problem: What is asked.
        team: Who thinks.
        engines: The engine of each agent, by the agent's name.
        budget: What it may cost.
        seed: Fixes the strategy's choices, and the sampling of engines that can be seeded.
        examples: Worked examples of the problem's own set.
        watch: Called with each thought as it is added.
    """

    def __init__(
        self,
        problem: Problem,
        team: Team,
        engines: Mapping[str, Engine],
        *,
        budget: Budget,
        seed: int = 0,
        examples: Sequence[Example] = (),
        watch: Callable[[Thought], None] | None = None,
    ) -> None:
        self.task = problem
        self.team = team
        self.graph = ThoughtGraph.of(problem)
        self.problem = self.graph.root
        """The problem as a thought: where every strategy starts."""
        self.ledger = Ledger(budget)
        self.random = random.Random(f"{seed}:{problem.id}")
        """The strategy's source of chance. Draw in an order that does not depend on time."""
        self._seed = seed
        self._examples = [example for example in examples if example.prompt != problem.prompt]
        self._watch = watch
        self._engines = {name: Budgeted(engine, self.ledger) for name, engine in engines.items()}
        self._asked: defaultdict[str, int] = defaultdict(int)

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

    async def critique(self, solution: Thought, *, agent: str | None = None) -> Thought:
        """Say what is wrong with a solution; `accepts` of the reply tells whether it may stay."""
        work = [Passage("solution", solution.text)]
        return (await self.ask("critique", [solution], work=work, agent=agent))[0]

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

    async def verify(self, solution: Thought) -> float:
        """Score a solution by the team's verifier; the score is kept on the thought.

        Returns:
            A score in [0, 1]; 0 for a solution without text, and where the verifier gave no score
            or failed, which is not kept as one.
        """
        if not solution.text:
            return 0.0
        if self.team.grader is not None:
            return await by_grader(self.team.grader, self.graph, solution)
        if self.team.function is not None:
            return await by_function(self.team.function, self.graph, solution)
        agent = self.team.agent("verifier")
        engine = self._engines[agent.name]
        method = agent.method if isinstance(agent, Verifier) else "text"
        if method == "logprob" or (method == "auto" and engine.info.scores):
            return await by_logprob(agent, engine, self.graph, solution)
        if "judge" not in solution.scores:
            work = [Passage("solution", solution.text)]
            [verdict] = await self.ask("value", [solution], work=work, agent=agent.name)
            if "judge" not in verdict.scores:
                return 0.0
            return keep_score(self.graph, solution, "judge", verdict.scores["judge"])
        return solution.scores["judge"]

    async def vote(
        self, thoughts: Sequence[Thought], *, weights: Sequence[float] | None = None
    ) -> Ballot:
        """Group solutions by equivalent answer and pick the heaviest group (see `vote`)."""
        return await vote(self.task, thoughts, weights=weights)

    async def ask(
        self,
        operation: str,
        parents: Sequence[Thought],
        *,
        n: int = 1,
        work: Sequence[Passage] = (),
        agent: str | None = None,
        prefix: Prefix | None = None,
        spec: Operation | None = None,
    ) -> list[Thought]:
        """Ask an agent, add the replies to the graph, and return them.

        A failure of the engine becomes one thought with an `error` and without text.

        Args:
            operation: What to do: a name of `OPERATIONS`, or any name with `spec`.
            parents: What the reply is made from; the first decides which problem it is about.
            n: How many samples.
            work: The passages that the prompt shows besides the problem.
            agent: The name of who is asked; the first of the operation's role otherwise.
            prefix: The beginning of the reply, to be continued.
            spec: Role, kind and relation of an operation that `OPERATIONS` does not have.

        Returns:
            n thoughts, fewer where the budget allows fewer, at least one.

        Raises:
            BudgetExhausted: Not one sample fits the budget.
            ConfigError: No such operation or agent, no parent, or an engine that is set up wrongly.
        """
        spec = spec or OPERATIONS.get(operation)
        if spec is None or not parents:
            raise ConfigError(f"{operation!r}: give a parent, and spec= if not in {[*OPERATIONS]}")
        role, kind, relation = spec
        who = self.team.agent(agent or role)
        parent_ids = tuple(parent.id for parent in parents)
        position = position_of(self.task.id, parent_ids, who.name, operation)
        first = self._asked[position]
        self._asked[position] = first + n
        about = parents[0].id if parents[0].kind is ThoughtKind.PROBLEM else parents[0].about
        engine = self._engines[who.name]
        place = _Place(position, kind, relation, operation, about, who, parents)
        brief = Brief(self.graph.thought(about).text, tuple(work))
        try:
            messages, dropped = who.render(operation, brief, engine, examples=self._examples)
            completions = await engine.complete(
                Request(
                    messages=messages,
                    prefix=prefix,
                    sampling=who.sampling,
                    adapter=who.adapter,
                    n=n,
                    sample=first,
                    seed=self._seed,
                    role=who.role,
                    operation=operation,
                    agent=who.name,
                    problem=self.task.id,
                    position=position,
                )
            )
        except EngineError as error:
            return [self._failed(place, first, error)]
        start = prefix.text if prefix else ""
        return [
            self._add(place, first + i, completion, messages, dropped, start)
            for i, completion in enumerate(completions)
        ]

    def _add(
        self,
        place: "_Place",
        sample: int,
        completion: Completion,
        messages: tuple[Message, ...],
        dropped: int,
        start: str,
    ) -> Thought:
        text = start + completion.text
        reply: Reply = place.agent.parser(place.operation)(text)
        prompt_ids, token_ids = completion.prompt_ids, completion.token_ids
        thought = Thought(
            f"{place.position}.{sample}",
            place.kind,
            text,
            agent=place.agent.name,
            role=place.agent.role,
            operation=place.operation,
            about=place.about,
            reasoning=completion.reasoning,
            finish=completion.finish,
            dropped=dropped,
            prompt=messages,
            prefix=start,
            prompt_tokens=completion.usage.prompt,
            completion_tokens=completion.usage.completion,
            source=Source(
                completion.model,
                completion.revision,
                completion.adapter,
                completion.adapter_revision,
            ),
            tokens=Tokens(prompt_ids, token_ids, completion.logprobs)
            if prompt_ids is not None and token_ids is not None
            else None,
        )
        match reply:
            case Solution(answer) if place.kind is ThoughtKind.SOLUTION:
                thought.answer = answer
            case Critique(accepts):
                thought.accepts = accepts
            case Verdict(score) if score is not None:
                thought.scores["judge"] = score
            case _:
                pass
        return self._insert(place, thought)

    def _failed(self, place: "_Place", sample: int, error: EngineError) -> Thought:
        thought = Thought(
            f"{place.position}.{sample}",
            place.kind,
            "",
            agent=place.agent.name,
            role=place.agent.role,
            operation=place.operation,
            about=place.about,
            error=f"{type(error).__name__}: {error}",
        )
        return self._insert(place, thought)

    def _insert(self, place: "_Place", thought: Thought) -> Thought:
        self.graph.add(thought, place.parents, place.relation)
        if self._watch is not None:
            self._watch(thought)
        return thought


class _Place(NamedTuple):
    """Where replies will stand, and who gives them."""

    position: str
    kind: ThoughtKind
    relation: Relation
    operation: str
    about: str
    agent: Agent
    parents: Sequence[Thought]


def _numbered(thoughts: Sequence[Thought]) -> list[Passage]:
    return [Passage(f"response {i}", thought.text) for i, thought in enumerate(thoughts, start=1)]
