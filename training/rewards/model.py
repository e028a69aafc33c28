"""A reward model's opinion: an outcome model's of the whole, a process model's of its steps."""

from dataclasses import dataclass

from cogitate.agents import Verifier
from cogitate.errors import CogitateError, ConfigError, EngineError
from cogitate.graphs import Thought, ThoughtGraph, ThoughtKind
from cogitate.graphs.verify import by_reward
from cogitate.inference import Engine
from cogitate.training.described import described
from cogitate.training.rewards.outcome import failed

__all__ = ["ModelReward"]


@described(
    "model",
    needs="an engine that rates: an outcome model, or a process model for steps",
    costs="a rating of each reply",
    pays=(
        "where there is no grader, or a grade is too rare; a policy finds its faults, so look "
        "for signs"
    ),
)
@dataclass(frozen=True)
class ModelReward:
    """Reward a solution or a step by what a reward model rates it, in [0, 1].

    A process model's scores of the steps are reduced as the verifier says (`reduce`), and those of
    steps that are thoughts are kept on them, as when it verifies.
    """

    verifier: Verifier
    engine: Engine
    """Of the verifier's model: one that rates."""

    def __post_init__(self) -> None:
        """Refuse an engine that is no reward model."""
        if self.engine.info.rates is None:
            raise ConfigError(
                f"{self.engine.info.model} does not rate: give a reward model, or use JudgeReward"
            )

    async def __call__(self, graph: ThoughtGraph, thought: Thought) -> float | None:
        """Return the rating; 0 of an empty reply, None where a call failed."""
        if thought.kind not in (ThoughtKind.SOLUTION, ThoughtKind.STEP) or failed(thought):
            return None
        if not thought.text:  # no model rates nothing, and None would hide it from the trainer
            return 0.0
        source = "prm" if self.engine.info.rates == "process" else "orm"
        try:
            return await by_reward(self.verifier, self.engine, graph, thought, source)
        except CogitateError as error:
            if isinstance(error.__cause__, EngineError):
                return None
            raise
