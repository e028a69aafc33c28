"""Which strategy for which difficulty: what a calibration found, as a file that can be used again.

A plan is data. `cogitate.training.calibrate` makes one from problems with known answers, and
`cogitate.graphs.ComputeOptimal` follows it on new ones. Probe solutions tell the difficulty: one
minus the mean score that the verifier gives them, or one minus the share of the largest group of
equal answers among them. Plans hold neither problems nor answers.
"""

from bisect import bisect_right
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cogitate.errors import ConfigError
from cogitate.graphs.strategy import strategy_named

__all__ = ["Bin", "Measured", "Plan", "Signal"]

Signal = Literal["verifier", "agreement"]
"""What difficulty is read from: the verifier's scores of the probes, or their agreement."""


class Measured(BaseModel):
    """What a candidate came to on the calibration problems of one bin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str
    """Its name on the command line, with parameters."""
    correct: int = Field(ge=0)
    problems: int = Field(ge=1)
    prompt_tokens: float = Field(ge=0)
    """Mean of a problem, probes and cached tokens included."""
    cached_tokens: float = Field(default=0.0, ge=0)
    completion_tokens: float = Field(ge=0)
    behind: float = 0.0
    """How far its accuracy lies behind the best one's, over the same problems."""
    error: float = Field(default=0.0, ge=0)
    """The standard error of `behind`, from the paired differences."""

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.correct / self.problems

    @property
    def tokens(self) -> float:
        """Mean prompt and completion tokens of a problem, cached ones included."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float:
        """Mean tokens of a problem that had to be computed: all but the cached ones."""
        return self.tokens - self.cached_tokens


class Bin(BaseModel):
    """Problems of about the same difficulty, and what to do with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str
    """The choice: a name on the command line, such as `best-of-n?n=8`."""
    measured: tuple[Measured, ...] = ()
    """All candidates; none in a plan that was written by hand."""


class Plan(BaseModel):
    """Which strategy to use at which difficulty.

    Example:
        >>> easy, hard = Bin(strategy="best-of-n?n=4"), Bin(strategy="best-of-n?n=16")
        >>> plan = Plan(probes=4, signal="agreement", edges=(0.5,), bins=(easy, hard))
        >>> plan.choose(0.25), plan.choose(0.5)
        ('best-of-n?n=4', 'best-of-n?n=16')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    probes: int = Field(ge=1)
    """How many solutions tell the difficulty of a problem."""
    signal: Signal = "verifier"
    edges: tuple[float, ...]
    """Difficulties where a harder bin begins, rising; one fewer than bins."""
    bins: tuple[Bin, ...]
    """From easy to hard."""
    problems: str = ""
    """The problem set of the calibration."""
    team: str = ""
    """The models of the calibration, by role. A plan holds for these."""
    oracle: bool = False
    """The verifier read the right answers: the plan holds only for one that does too."""
    seed: int | None = None
    tolerance: float | None = None
    """Standard errors that a choice may lie behind the best candidate of its bin."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.bins) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges part {len(self.edges) + 1} bins")
        if any(not low < high for low, high in pairwise(self.edges)):
            raise ValueError("edges must rise")
        for one in self.bins:
            if one.strategy.partition("?")[0] == "compute-optimal":
                raise ValueError("a plan cannot follow a plan: choose another strategy")
            strategy_named(one.strategy)
        return self

    def choose(self, difficulty: float) -> str:
        """The strategy for a problem of that difficulty, 0 being the easiest and 1 the hardest."""
        return self.bins[bisect_right(self.edges, difficulty)].strategy

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a plan from its file.

        Raises:
            ConfigError: There is no such file, or it is no plan.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(
                f"the plan {path} cannot be read ({error.strerror}): make one with "
                "`cogitate calibrate PROBLEMS --strategy ... --output plan.json`"
            ) from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ConfigError(
                f"{path} is no plan: {where}: {first['msg']}. Make one with `cogitate calibrate`"
            ) from None

    def write(self, path: str | Path) -> None:
        """Write the plan to a file."""
        Path(path).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name its content."""
        return blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()

    def __str__(self) -> str:
        """Name it shortly: reports show the parameters of strategies."""
        return f"plan-{self.digest}"
