"""Graph of Thoughts (Besta et al. 2024, arXiv:2308.09687): a program of operations over a DAG.

A program is a graph of stages (`cogitate.graphs.program`): generate, split, aggregate, refine,
score, keep the best or the valid, validate and improve, ground truth. It is fixed before it runs;
the thoughts that it makes form the thought graph, where an aggregated thought has many parents.

Departures from the paper: the stages of independent branches run at the same time, with no order
among them; and of thoughts with equal scores the one with the larger volume is kept (the number of
thoughts that have a path to it), then the first. Out of budget, the result is the best solution of
the whole problem so far: by score, then by the longest way to it.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import InstanceOf

from cogitate.errors import ConfigError
from cogitate.graphs.deliberation import Deliberation
from cogitate.graphs.program import Stage, carry_out, generic, sorting
from cogitate.graphs.strategy import strategy
from cogitate.graphs.thought import Thought

__all__ = ["GraphOfThoughts"]


@strategy(
    "graph-of-thoughts",
    paper="Besta et al. 2024, arXiv:2308.09687",
    calls="default: 4k + 3, verdicts included; sorting: 2 * parts * k at most",
    pays="where a task falls into parts that are easier, and whose results can be merged",
)
@dataclass(frozen=True)
class GraphOfThoughts:
    """Carry out a program that splits, combines, scores and refines thoughts."""

    program: Literal["default", "sorting"] | InstanceOf[Stage] = "default"
    """A named program, or the last stage of one of your own."""
    k: int | None = None
    """Attempts of each kind in a named program; 5 by default."""
    parts: int | None = None
    """Sub-lists of `sorting`, a power of two; 2 by default."""

    def __post_init__(self) -> None:
        """Refuse a program that cannot be made."""
        self._stages()

    async def __call__(self, d: Deliberation) -> Thought | None:
        """Return the first thought that the program's last stage gives, or None."""
        ended = await carry_out(self._stages(), d)
        return next((thought for thought in ended if d.graph.whole(thought)), None)

    def _stages(self) -> Stage:
        k = 5 if self.k is None else self.k
        match self.program:
            case "default" if self.parts is None:
                return generic(k=k)
            case "sorting":
                return sorting(parts=2 if self.parts is None else self.parts, k=k)
            case str() if self.program != "default":
                raise ConfigError(f"{self}: there is no such program: choose default or sorting")
            case str():
                raise ConfigError(f"{self}: only program=sorting has parts")
            case own if self.k is None and self.parts is None:
                return own
            case _:
                raise ConfigError(f"{self}: k and parts are those of named programs")
