"""Dev problems of one training: the weights before and after it answer them, and are compared."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from cogitate.agents import Team
from cogitate.graphs import Strategy
from cogitate.memory import RunStore
from cogitate.tasks import ProblemSet, load
from cogitate.training.dataset import unseen
from cogitate.training.loops.judge import judge
from cogitate.training.loops.progress import Progress, of_episodes
from cogitate.training.promote import Seen
from cogitate.training.rows import PromptRow
from cogitate.trainings.told import Reported

__all__ = ["Dev"]


class Dev(BaseModel):
    """How weights are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A gain with a p-value below this is significant."""
    concurrency: int = Field(default=16, ge=1)
    """Problems in progress at the same moment."""

    def unseen(self, name: str, starts: Sequence[PromptRow]) -> ProblemSet:
        """Load dev problems, less those that are trained on.

        Raises:
            ConfigError: There is no such set, or nothing is left of it.
        """
        return unseen(load(name), than=[start.question for start in starts])

    def judged(
        self,
        old: tuple[str, Team],
        new: tuple[str, Team],
        strategy: Strategy,
        dev: ProblemSet,
        *,
        seen: Sequence[Seen],
        output: Path,
        seed: int,
        progress: Progress | None,
    ) -> Reported:
        """Have both answer, and say which weights should be worn. The verdict lies beside them.

        Args:
            old: The weights that training began with: their name, and the team that wears them.
            new: The trained ones.
            strategy: How both think.
            dev: Problems that were not trained on.
            seen: What was.
            output: The folder of the trained weights: it gets `judged.json`.
            seed: As for `run`.
            progress: Hears of every problem.
        """
        with RunStore(output / "judged.db") as store:
            found = judge(
                old[1],
                new[1],
                strategy,
                dev,
                names=(old[0], new[0]),
                seen=seen,
                store=store,
                seed=seed,
                concurrency=self.concurrency,
                alpha=self.alpha,
                on_episode=of_episodes(progress, "judge", 2 * len(dev)),
            )
        (output / "judged.json").write_text(found.model_dump_json(indent=2) + "\n")
        return Reported(str(found), {"judged": found.model_dump(mode="json")})
