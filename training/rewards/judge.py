"""A judge: a model is asked how likely a solution is right. It is no grader, and can be fooled.

A blank, a colon or "Let's solve this step by step" passes many judges (Zhao et al. 2025,
arXiv:2507.08794), and a policy that is trained on a judge finds such texts. So a judge's rewards
are kept apart from those of rules, and `judge_audit` measures how often it accepts what is wrong;
the audit stands beside its rewards in every report. `Gated` lets a rule speak first.
"""

from dataclasses import dataclass, replace
from typing import Self

from cogitate.agents import Brief, Verdict, Verifier
from cogitate.errors import ConfigError, EngineError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.thought import position_of
from cogitate.graphs.verify import shown
from cogitate.inference import Engine, Request
from cogitate.training.described import described
from cogitate.training.rewards.judge_audit import JudgeAudit
from cogitate.training.rewards.outcome import failed
from cogitate.training.rewards.reward import Reward

__all__ = ["Gated", "JudgeReward"]


@described(
    "judge",
    paper="its faults: Zhao et al. 2025, arXiv:2507.08794",
    needs="a model that writes scores; `judge_audit` says how often it accepts what is wrong",
    costs="`samples` calls a reply",
    pays="for text that no rule grades, where its audit is good; behind a gate",
)
@dataclass(frozen=True)
class JudgeReward:
    """Reward a solution by the mean of the scores that a model writes, in [0, 1].

    The judge sees the problem and the solution, never the reference answer. Its scores are not
    written on the thought: nothing that verifies reads what was a reward.
    """

    verifier: Verifier
    """Who is asked, in which words, and at which temperature."""
    engine: Engine
    samples: int = 1
    """How often it is asked; verdicts without a score do not count."""
    audit: JudgeAudit | None = None
    """How often it accepts what is wrong, where that was measured."""

    def __post_init__(self) -> None:
        """Refuse to ask no one."""
        if self.samples < 1:
            raise ConfigError(f"JudgeReward(samples={self.samples}): give at least 1")

    def audited(self, audit: JudgeAudit) -> Self:
        """Return the judge with what was measured of it."""
        return replace(self, audit=audit)

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the mean score; None where the engine failed or no verdict has a score."""
        if thought.kind is not ThoughtKind.SOLUTION or failed(thought):
            return None
        who, problem = self.verifier, graph.problem
        brief = Brief(graph.thought(thought.about).text, (shown(graph, thought),))
        try:
            request = Request(
                messages=who.render("value", brief, self.engine).messages,
                sampling=who.sampling,
                adapter=who.adapter,
                n=self.samples,
                role=who.role,
                operation="value",
                agent=who.name,
                problem=problem.id,
                position=position_of(problem.id, (thought.id,), who.name, "reward"),
            )
            completions = await self.engine.complete(request)
        except EngineError:
            return None
        parse = who.parser("value")
        verdicts = [parse(completion.text) for completion in completions]
        scores = [v.score for v in verdicts if isinstance(v, Verdict) and v.score is not None]
        return sum(scores) / len(scores) if scores else None


@described(
    "gated",
    needs="a rule that opens or shuts",
    costs="the rule's; the reward's only for what passes",
    pays="before a judge or a model that could be fooled, or that costs calls",
)
@dataclass(frozen=True)
class Gated:
    """Ask a reward only about what a rule lets through; the rest gets `closed`."""

    gate: Reward
    """Such as `FormatReward()`; open where it is above `above`."""
    then: Reward
    closed: float = 0.0
    above: float = 0.0

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the reward, `closed`, or None where the gate or the reward gives none."""
        first = await self.gate(graph, thought)
        if first is None:
            return None
        return await self.then(graph, thought) if first > self.above else self.closed
