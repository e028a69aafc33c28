"""The options that say who thinks, how, and at what cost. They win over the configuration file."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Concatenate, NamedTuple, ParamSpec

import typer

from cogitate.agents import Team
from cogitate.config import ROLES, AgentConfig, BudgetConfig, Configuration, TeamConfig, is_grader
from cogitate.errors import ConfigError
from cogitate.graphs import Budget, Strategy, strategy_named

__all__ = ["Asked", "Json", "Quiet", "Seed", "Setup", "asking"]

P = ParamSpec("P")

Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="Plays every role: see `cogitate models`."),
]
GeneratorModel = Annotated[
    str | None, typer.Option("--generator", metavar="NAME", help="Another model to generate.")
]
CriticModel = Annotated[
    str | None, typer.Option("--critic", metavar="NAME", help="Another model to criticise.")
]
VerifierModel = Annotated[
    str | None,
    typer.Option(
        "--verifier",
        metavar="NAME",
        help="Another model to score solutions, or grader[:KIND]: an oracle that reads the answer.",
    ),
]
RefinerModel = Annotated[
    str | None, typer.Option("--refiner", metavar="NAME", help="Another model to refine.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The server of openai/ models: http://127.0.0.1:8000/v1"),
]
Adapter = Annotated[
    str | None, typer.Option(metavar="DIR", help="A PEFT adapter that the model wears.")
]
Temperature = Annotated[float | None, typer.Option(metavar="T", help="0.7 by default.")]
MaxTokens = Annotated[
    int | None, typer.Option(metavar="N", help="The most tokens of one reply; 512 by default.")
]
Examples = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Worked examples in a prompt; by default 2 for small models, else 0."
    ),
]
BudgetText = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="LIMITS",
        help="For each problem: tokens=4000,calls=20,seconds=60,money=0.05",
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Team, strategy and budget from a TOML or YAML file; options win."
    ),
]
SeedOfChance = Annotated[
    int | None, typer.Option("--seed", help="Fixes a strategy's choices; 0 by default.")
]
Seed = Annotated[
    int, typer.Option("--seed", help="Taken by every command; nothing here is left to chance.")
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Write no progress to stderr.")]


class Setup(NamedTuple):
    """All that a run needs but its problems."""

    team: Team
    strategies: tuple[Strategy, ...]
    budget: Budget
    seed: int


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was said on the command line of a team and its limits; None where nothing was said.

    Each field is an option of every command that thinks (see `asking`).
    """

    model: Model = None
    budget: BudgetText = None
    generator: GeneratorModel = None
    critic: CriticModel = None
    verifier: VerifierModel = None
    refiner: RefinerModel = None
    base_url: BaseUrl = None
    adapter: Adapter = None
    temperature: Temperature = None
    max_tokens: MaxTokens = None
    examples: Examples = None
    config: Config = None
    seed: SeedOfChance = None

    def set_up(self, strategies: list[str]) -> Setup:
        """Put the options over the file, and make what they say.

        Args:
            strategies: Their names; those of the file where there are none.

        Raises:
            ConfigError: A name, a value or the file must be changed.
        """
        file = Configuration() if self.config is None else Configuration.read(self.config)
        names = strategies or list(file.strategy)
        if not names:
            raise ConfigError(
                "no strategy: give --strategy, such as self-refine?rounds=2 (`cogitate methods` "
                "lists them)"
            )
        return Setup(
            team=self._over(file.team).team(),
            strategies=tuple(strategy_named(name) for name in names),
            budget=_limits(file.budget, self.budget).budget(),
            seed=file.seed if self.seed is None else self.seed,
        )

    def _over(self, file: TeamConfig) -> TeamConfig:
        """Return the team of a file with what was said here instead."""
        shared = {
            name: value
            for name in ("model", "base_url", "adapter", "temperature", "max_tokens", "examples")
            if (value := getattr(self, name)) is not None
        }
        roles = {role: self._role(role, getattr(file, role), shared) for role in ROLES}
        return file.model_copy(update=shared | roles)

    def _role(
        self, role: str, agents: tuple[AgentConfig, ...], shared: dict[str, object]
    ) -> tuple[AgentConfig, ...]:
        own: dict[str, None] = dict.fromkeys(shared)
        if self.model is not None:
            own |= {"base_url": None, "adapter": None}
        made = tuple(a if is_grader(a) else a.model_copy(update=own) for a in agents)
        chosen: str | None = getattr(self, role)
        if chosen is None:
            return made
        first = made[0] if len(made) == 1 and not is_grader(made[0]) else AgentConfig()
        other = {"model": chosen, "base_url": None, "adapter": None}
        return (first.model_copy(update=other),)


def asking(command: Callable[Concatenate[Asked, P], None]) -> Callable[P, None]:
    """Give a command the options of `Asked`, each its own, in place of its first parameter.

    They are shown before `--quiet`.
    """
    names = [field.name for field in fields(Asked)]

    @functools.wraps(command)
    def taken(*args: P.args, **options: P.kwargs) -> None:
        asked = {name: options.pop(name) for name in names if name in options}
        command(Asked(**asked), *args, **options)  # type: ignore[arg-type]  # typer made them

    _, *own = inspect.signature(command).parameters.values()
    at = [one.name for one in own].index("quiet")
    every = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in (*own[:at], *inspect.signature(Asked).parameters.values(), *own[at:])
    ]
    taken.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]  # typer reads it
    taken.__annotations__ = {one.name: one.annotation for one in every}
    return taken


def _limits(file: BudgetConfig, text: str | None) -> BudgetConfig:
    limits: dict[str, float | int] = {}
    for part in (text or "").split(",") if text is not None else ():
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in BudgetConfig.model_fields:
            known = ", ".join(BudgetConfig.model_fields)
            raise ConfigError(f"--budget {text}: no limit is called {name!r}: known are {known}")
        whole = name in ("tokens", "calls")
        try:
            limits[name] = int(value) if whole else float(value)
        except ValueError:
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"--budget {text}: {name} is {kind}, as in {name}=20") from None
    return file.model_copy(update=limits)
