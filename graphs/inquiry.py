"""Asking the agents of a team about one problem: what each says becomes thoughts of its graph.

Nothing here batches or waits: a strategy awaits what it needs, in any number of tasks, and the
engines batch whatever is outstanding. The words that strategies use are in
`cogitate.graphs.deliberation`.
"""

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from cogitate.agents import (
    Agent,
    Brief,
    Critique,
    Passage,
    Rendered,
    Solution,
    Team,
    Verdict,
    parse_solution,
)
from cogitate.agents.prompts import CODE_PROMPTS
from cogitate.errors import ConfigError, EngineError
from cogitate.graphs.budget import Budget, Budgeted, Ledger
from cogitate.graphs.graph import ThoughtGraph
from cogitate.graphs.operation import OPERATIONS, Operation
from cogitate.graphs.thought import Relation, Source, Thought, ThoughtKind, Tokens, position_of
from cogitate.inference import Completion, Engine, Prefix, Request, Sampling
from cogitate.tasks import PROGRAM_KINDS, Example, Problem, extract_answer, has_answer_line

__all__ = ["Inquiry"]


class Inquiry:
    """One problem, the graph that is thought about it, and the agents that can be asked.

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
        self._lessons: tuple[str, ...] = ()
        self._seed = seed
        self._examples = [example for example in examples if example.prompt != problem.prompt]
        self._watch = watch
        self._engines = {name: Budgeted(engine, self.ledger) for name, engine in engines.items()}
        self._asked: defaultdict[str, int] = defaultdict(int)
        self._rendered: dict[tuple[str, str, str], Rendered] = {}
        self._sources: dict[Source, Source] = {}

    def about(
        self,
        problem: Thought,
        *,
        generator: str | None = None,
        lessons: Sequence[str] = (),
        examples: Sequence[Example] = (),
    ) -> Self:
        """The same deliberation, about another problem thought of its graph.

        A strategy that is called with it starts there, so several may search side by side. Graph,
        budget and engines are shared; the source of chance is its own.

        Args:
            problem: A thought of kind `problem`; one for each search, since ids name a place.
            generator: The name of the one generator that shall think; all of them by default.
            lessons: What every prompt of a generator says was learned before.
            examples: Worked examples to be shown before those of the problem's own set.
        """
        view = copy.copy(self)
        view.problem = problem
        view._lessons = tuple(lessons)
        if own := [example for example in examples if example.prompt != self.task.prompt]:
            view._examples = [*own, *self._examples]
            view._rendered = {}
        view.random = random.Random(f"{self._seed}:{self.task.id}:{problem.id}")
        if generator is not None:
            one = self.team.agent(generator)
            view.team = copy.copy(self.team)
            view.team.agents = tuple(
                agent for agent in self.team.agents if agent is one or agent.role != one.role
            )
        return view

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
        prompt: str | None = None,
        count: int = 1,
        lessons: Sequence[str] = (),
        sampling: Sampling | None = None,
        first: int | None = None,
    ) -> list[Thought]:
        """Ask an agent, add the replies to the graph, and return them.

        A failure of the engine becomes one thought with an `error` and without text.

        Args:
            operation: What to do: a name of `OPERATIONS`, or any name with `spec`.
            parents: What the reply is made from; they decide which problem it is about.
            n: How many samples.
            work: The passages that the prompt shows besides the problem.
            agent: The name of who is asked; the first of the operation's role otherwise.
            prefix: The beginning of the reply, to be continued.
            spec: An operation that `OPERATIONS` does not have.
            prompt: The name of the prompt, where it is not that of the operation.
            count: How many things one reply shall name.
            lessons: What the prompt says was learned before.
            sampling: How to sample, where it is not as the agent does.
            first: The number of the first sample, where several asks at one place overlap.

        Returns:
            n thoughts, fewer where the budget allows fewer, at least one.

        Raises:
            BudgetExhausted: Not one sample fits the budget.
            ConfigError: No such operation or agent, no parent, or an engine that is set up wrongly.
        """
        spec = spec or OPERATIONS.get(operation)
        if spec is None or not parents:
            raise ConfigError(f"{operation!r}: give a parent, and spec= if not in {[*OPERATIONS]}")
        who = self.team.agent(agent or spec.role)
        position = self._position(operation, parents, who.name)
        about = self.graph.problem_of(parents)
        place = _Place(position, operation, spec, who, parents, about)
        first = self._number(position, n, first)
        problem = self.graph.thought(about).text
        known = (*self._lessons, *lessons) if who.role == "generator" else tuple(lessons)
        brief = Brief(problem, tuple(work), known, count)
        try:
            rendered = self._render(prompt or operation, brief, place)
            completions = await self._engines[who.name].complete(
                Request(
                    messages=rendered.messages,
                    prefix=prefix,
                    sampling=sampling or who.sampling,
                    adapter=who.adapter,
                    n=n,
                    sample=first,
                    seed=self._seed,
                    role=who.role,
                    operation=operation,
                    agent=who.name,
                    problem=self.task.id,
                    position=place.position,
                )
            )
        except EngineError as error:
            return [self._failed(place, first, error)]
        begun = prefix.text if prefix else ""
        return [
            self._add(place, first + i, completion, rendered, begun)
            for i, completion in enumerate(completions)
        ]

    def derive(
        self,
        operation: str,
        kind: ThoughtKind,
        text: str,
        parents: Sequence[Thought],
        relation: Relation = Relation.CONTINUES,
        *,
        error: str = "",
    ) -> Thought:
        """Add a thought that took no call: a part of a reply, or what was computed from thoughts.

        Args:
            operation: What made it.
            kind: What it is; of a solution the marked answer is read.
            text: Its text.
            parents: What it was made from; the last of them names its agent.
            relation: How it relates to them.
            error: What went wrong in making it.
        """
        by = parents[-1]
        position = self._position(operation, parents, by.agent)
        thought = Thought(
            f"{position}.{self._number(position)}",
            kind,
            text,
            agent=by.agent,
            role=by.role,
            operation=operation,
            about=self.graph.problem_of(parents),
            answer=self._answer(text) if kind is ThoughtKind.SOLUTION else None,
            error=error,
        )
        return self._insert(thought, parents, relation)

    def _render(self, prompt: str, brief: Brief, place: "_Place") -> Rendered:
        """Render a prompt; one that shows the problem alone is made once.

        The prompt of a strategy's own operation is made anew: another strategy may have another
        operation of the same name.
        """
        who = place.agent
        own = place.spec.prompt is not None
        if not own and self.task.kind in PROGRAM_KINDS and prompt not in who.prompts:
            prompt = CODE_PROMPTS.get(prompt, prompt)
        alone = not own and not brief.work and not brief.lessons and brief.n == 1
        key = who.name, prompt, brief.problem
        if alone and key in self._rendered:
            return self._rendered[key]
        made = who.render(
            prompt,
            brief,
            self._engines[who.name],
            examples=self._examples,
            default=place.spec.prompt,
            default_shots=place.spec.shots,
        )
        if alone:
            self._rendered[key] = made
        return made

    def _position(self, operation: str, parents: Sequence[Thought], agent: str) -> str:
        ids = tuple([parent.id for parent in parents])
        return position_of(self.task.id, ids, agent, operation)

    def _number(self, position: str, n: int = 1, first: int | None = None) -> int:
        """Give out the numbers of n samples at a position, and return the first of them."""
        free = self._asked[position]
        first = free if first is None else first
        self._asked[position] = max(free, first + n)
        return first

    def _add(
        self,
        place: "_Place",
        sample: int,
        completion: Completion,
        rendered: Rendered,
        begun: str,
    ) -> Thought:
        kind, text, start = place.spec.kind, completion.text, begun
        if kind is ThoughtKind.STEP and place.operation == "step":
            stopped = completion.stop in place.agent.sampling.stop
            text += "" if stopped else completion.stop or ""
            if stopped or _ends(completion, text, begun, self.task.kind):
                kind = ThoughtKind.SOLUTION
            else:
                start = ""
        text = start + text
        prompt_ids, token_ids = completion.prompt_ids, completion.token_ids
        source = Source(
            completion.model, completion.revision, completion.adapter, completion.adapter_revision
        )
        tokens = None
        if prompt_ids is not None and token_ids is not None:
            tokens = Tokens(prompt_ids, token_ids, completion.logprobs)
        thought = Thought(
            f"{place.position}.{sample}",
            kind,
            text,
            agent=place.agent.name,
            role=place.agent.role,
            operation=place.operation,
            about=place.about,
            reasoning=completion.reasoning,
            finish=completion.finish,
            dropped=rendered.dropped,
            prompt=rendered.messages,
            prefix=start,
            prompt_tokens=completion.usage.prompt,
            completion_tokens=completion.usage.completion,
            source=self._sources.setdefault(source, source),
            tokens=tokens,
            logprobs_alone=completion.logprobs if tokens is None else None,
        )
        parser = place.agent.parser(place.operation, place.spec.parser)
        if kind is ThoughtKind.STEP and parser is parse_solution:  # it marks no answer
            return self._insert(thought, place.parents, place.spec.relation)
        match parser(text):
            case Solution(answer) if kind is ThoughtKind.SOLUTION:
                own = parser is not parse_solution or self.task.kind not in PROGRAM_KINDS
                thought.answer = answer if own else self._answer(text)
            case Critique(accepts):
                thought.accepts = accepts
            case Verdict(score) if score is not None:
                thought.scores["judge"] = score
            case _:
                pass
        return self._insert(thought, place.parents, place.spec.relation)

    def _answer(self, text: str) -> str | None:
        return extract_answer(text, kind=self.task.kind)

    def _failed(self, place: "_Place", sample: int, error: EngineError) -> Thought:
        thought = Thought(
            f"{place.position}.{sample}",
            place.spec.kind,
            "",
            agent=place.agent.name,
            role=place.agent.role,
            operation=place.operation,
            about=place.about,
            error=f"{type(error).__name__}: {error}",
        )
        return self._insert(thought, place.parents, place.spec.relation)

    def _insert(self, thought: Thought, parents: Sequence[Thought], relation: Relation) -> Thought:
        self.graph.add(thought, parents, relation)
        if self._watch is not None:
            self._watch(thought)
        return thought


class _Place(NamedTuple):
    """What is asked of whom, and where the replies will stand."""

    position: str
    operation: str
    spec: Operation
    agent: Agent
    parents: Sequence[Thought]
    about: str
    """The id of the problem thought that they work on."""


def _ends(completion: Completion, text: str, begun: str, kind: str) -> bool:
    """Whether a step is the last: the model ended its turn, or marked an answer."""
    if completion.finish == "length":
        return False
    if completion.stop is None:
        return True
    if kind in PROGRAM_KINDS:  # an open block is not its end
        return False
    return has_answer_line(text if begun.endswith("\n") else begun + text)
