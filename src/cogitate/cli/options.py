"""The options that say who thinks, how, and at what cost. They win over the configuration file."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import typer

from cogitate.agents import Team
from cogitate.config import ROLES, AgentConfig, BudgetConfig, Configuration, TeamConfig, is_grader
from cogitate.errors import ConfigError
from cogitate.graphs import Budget, Strategy, strategy_named

__all__ = [
    "Adapter",
    "BaseUrl",
    "BudgetText",
    "Config",
    "CriticModel",
    "Examples",
    "GeneratorModel",
    "Json",
    "MaxTokens",
    "Model",
    "Quiet",
    "RefinerModel",
    "Seed",
    "SeedOfChance",
    "Setup",
    "TeamOptions",
    "Temperature",
    "VerifierModel",
    "set_up",
]

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


@dataclass(frozen=True, kw_only=True)
class TeamOptions:
    """What was said of the team on the command line; None where nothing was said."""

    model: str | None
    generator: str | None
    critic: str | None
    verifier: str | None
    refiner: str | None
    base_url: str | None
    adapter: str | None
    temperature: float | None
    max_tokens: int | None
    examples: int | None

    def over(self, file: TeamConfig) -> TeamConfig:
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


class Setup(NamedTuple):
    """All that a run needs but its problems."""

    team: Team
    strategies: tuple[Strategy, ...]
    budget: Budget
    seed: int


def set_up(
    options: TeamOptions,
    *,
    config: str | None,
    strategies: list[str],
    budget: str | None,
    seed: int | None,
) -> Setup:
    """Put the options over the file, and make what they say.

    Raises:
        ConfigError: A name, a value or the file must be changed.
    """
    file = Configuration() if config is None else Configuration.read(config)
    names = strategies or list(file.strategy)
    if not names:
        raise ConfigError(
            "no strategy: give --strategy, such as self-refine?rounds=2 (`cogitate methods` lists "
            "them)"
        )
    return Setup(
        team=options.over(file.team).team(),
        strategies=tuple(strategy_named(name) for name in names),
        budget=_limits(file.budget, budget).budget(),
        seed=file.seed if seed is None else seed,
    )


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
