"""Chain-of-Action-Thought (Satori, Shen et al. 2025, arXiv:2502.02508).

One chain that chooses its own meta-actions: continue, reflect (verify the steps so far), explore
(begin another approach). `cogitate.graphs.coat_text` has its tokens and its place in the graph.

`tokens` is for a model that was trained on the tokens: one reply, read into the graph.

`agents` makes the same chain with a model that was not. The generator goes on by a step. Where the
verifier scores it below `threshold`, the critic checks it, and the critic's own words become the
reflection. Where the critic also rejects a step scored below `abandon`, the generator explores;
otherwise it goes on from the reflection. A solution ends the chain unless the critic rejects it,
which makes a reflection, and another approach. No action's text is ours: a reflection is the
critique without the line `Accept: ...` and without what it repeats of its prompt or of the worked
examples there; where nothing is left, there is no reflection, nor another approach.

Departures: in the paper the agents' chains are demonstrations that a model is tuned on; here they
are a way to think as well. Its critic sees whole solutions, here also steps that the verifier
doubts. `actions` and `reflections` bound the chain; at the bound it is finished without more, and
so it is from its last action where a call fails.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from cogitate.agents import Passage, Template, neutralise, parse_critique
from cogitate.errors import ConfigError
from cogitate.graphs.coat_text import CHAIN, coat_actions, parse_coat
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.operation import Operation
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Relation, Thought, ThoughtKind
from cogitate.inference import Message
from cogitate.tasks import has_answer_line

__all__ = ["COAT", "ChainOfActionThought", "read_chain"]

_STEP_END = "\n\n"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")

COAT = Operation(
    "generator",
    ThoughtKind.SOLUTION,
    Relation.GENERATES,
    prompt=Template(
        "{problem}\n\nThink step by step. Check your steps, and try another approach where one "
        "fails. Give the final answer on the last line, in this form:\nAnswer: your answer",
        system="You solve problems carefully and end with a line that begins with Answer:",
    ),
)
EXPLORE = Operation(
    "generator",
    ThoughtKind.STEP,
    Relation.EXPLORES,
    prompt=Template(
        "Problem:\n{problem}\n\n{work}\n\nThis attempt failed. Solve the problem in another way, "
        "from the beginning: write the first step of it.",
        system="You solve problems carefully, step by step.",
    ),
)


class _Doubt(NamedTuple):
    """A critique, and what it says in words of its own."""

    critique: Thought
    words: str
    explores: bool
    """Another approach follows it."""


@strategy(
    "coat",
    paper="Satori, Shen et al. 2025, arXiv:2502.02508",
    calls="1 (tokens); at most 3 * actions + 1 (agents)",
    pays="with a model trained to reflect; in agents, where the critic sees real errors",
)
@dataclass(frozen=True)
class ChainOfActionThought:
    """Continue, reflect or explore, as the chain itself decides."""

    mode: Literal["agents", "tokens"] = "agents"
    """`tokens`: a tuned model writes the actions itself; `agents`: the team makes the chain."""
    actions: int = 16
    """Actions of a chain that agents make, at most, before it is finished."""
    reflections: int = 2
    """Reflections among them at most."""
    threshold: float = 0.5
    """Steps that the verifier scores below it are reflected on."""
    abandon: float = 0.25
    """Rejected steps that it scores below this are left for another approach."""

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.mode not in ("agents", "tokens"):
            raise ConfigError(f"{self}: mode is agents or tokens")
        if self.actions < 1 or self.reflections < 0:
            raise ConfigError(f"{self}: actions is at least 1 and reflections at least 0")
        if not 0 <= self.abandon <= self.threshold <= 1:
            raise ConfigError(f"{self}: give 0 <= abandon <= threshold <= 1")

    async def __call__(self, d: Deliberation) -> Thought:
        """Return the solution that the chain ends with."""
        return await (self._by_tokens(d) if self.mode == "tokens" else self._by_agents(d))

    async def _by_tokens(self, d: Deliberation) -> Thought:
        [reply] = await d.ask(CHAIN, [d.problem], spec=COAT)
        return read_chain(d, reply)

    async def _by_agents(self, d: Deliberation) -> Thought:
        at, [new] = d.problem, await d.steps(1)
        actions, reflections = 1, 0
        while new.text and actions < self.actions:
            at = new
            doubt = await self._doubt(d, new) if reflections < self.reflections else None
            if doubt is not None:
                new = await self._turn(d, new, doubt)
                actions, reflections = actions + 2, reflections + 1
            elif new.kind is ThoughtKind.STEP:
                [new] = await d.steps(1, new)
                actions += 1
            else:
                return new
        return (await d.finish(new if new.text else at))[0]

    async def _doubt(self, d: Deliberation, new: Thought) -> "_Doubt | None":
        """What the critic says of a doubtful step, or of a solution that it rejects."""
        score = await d.verify(new)
        doubtful = new.score is not None and score < self.threshold
        finished = new.kind is ThoughtKind.SOLUTION
        if not finished and not doubtful:
            return None
        critique = await d.critique(new)
        rejects = critique.accepts is False or (critique.accepts is None and doubtful)
        if finished and not rejects:
            return None
        words = _own_words(critique, d.problem.text, d.graph.text(new))
        explores = rejects and (finished or score < self.abandon)
        return _Doubt(critique, words, explores) if words else None

    async def _turn(self, d: Deliberation, new: Thought, doubt: "_Doubt") -> Thought:
        """Reflect, and go on from there or explore."""
        at = _as_step(d, new) if new.kind is ThoughtKind.SOLUTION else new
        apart = "" if at.text.endswith("\n") else _STEP_END
        text = apart + doubt.words + _STEP_END
        reflection = d.derive(
            "reflect", ThoughtKind.STEP, text, [at, doubt.critique], Relation.REFLECTS
        )
        if not doubt.explores:
            return (await d.steps(1, reflection))[0]
        who = d.team.generator
        [reply] = await d.ask(
            "explore",
            [reflection],
            work=[d.passage(new), Passage("reflection", doubt.words)],
            spec=EXPLORE,
            sampling=replace(who.sampling, stop=(_STEP_END, *who.sampling.stop)),
        )
        if not _own_words(reply, d.problem.text, d.graph.text(new), doubt.words):
            return (await d.steps(1, reflection))[0]
        kind, text = ThoughtKind.STEP, reply.text + _STEP_END
        if has_answer_line(reply.text):
            kind, text = ThoughtKind.SOLUTION, d.graph.text(reflection) + reply.text
        return d.derive("explore", kind, text, [reflection, reply], Relation.EXPLORES)


def read_chain(d: Deliberation, reply: Thought) -> Thought:
    """Add the actions of a reply with tokens to the graph, and return the solution they end with.

    A reply without text is returned as it is.
    """
    actions = parse_coat(reply.text)
    if not actions:
        return reply
    at = d.problem
    for meta, text in actions:
        relation = Relation.GENERATES if meta is None else meta.relation
        at = d.derive("action", ThoughtKind.STEP, text, [at, reply], relation)
    plain = "\n".join(text.strip("\n") for _, text in actions)
    whole = d.derive(CHAIN, ThoughtKind.SOLUTION, plain, [at, reply], Relation.CONTINUES)
    reply.answer = whole.answer  # a line `Answer: ...` may stand after a token, or before one
    return whole


def _own_words(reply: Thought, *shown: str) -> str:
    """What an agent wrote itself: no `Accept:` line, and no sentence from its prompt.

    A sentence is from the prompt where all of it stands there, or six words in a row.

    Args:
        reply: What it wrote.
        shown: The texts in its prompt that are not ours; it may quote them.
    """
    *before, ask = [message.content for message in reply.prompt or [Message("user", "")]]
    for text in shown:
        ask = ask.replace(neutralise(text.strip()), "")
    ours = " ".join("\n".join([*before, ask]).casefold().split())
    lines = [
        " ".join(part for part in _SENTENCE_END.split(line) if not _is_from(ours, part))
        for line in reply.text.splitlines()
        if parse_critique(line).accepts is None
    ]
    return "\n".join(filter(str.strip, lines)).strip()


def _is_from(ours: str, sentence: str) -> bool:
    words = sentence.casefold().split()
    return any(" ".join(words[i : i + 6]) in ours for i in range(max(1, len(words) - 5)))


def _as_step(d: Deliberation, solution: Thought) -> Thought:
    """The last action of a solution as a step, so that the chain can go on."""
    *_, (meta, text) = coat_actions(d.graph, solution)
    before = d.graph.parents(solution)[0]
    relation = Relation.GENERATES if meta is None else meta.relation
    return d.derive("action", ThoughtKind.STEP, text, [before, solution], relation)
