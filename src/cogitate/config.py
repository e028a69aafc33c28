"""A team, a strategy and a budget from one TOML or YAML file, checked before anything runs.

    strategy = "self-refine?rounds=2"

    [team]
    model = "hf/smollm2-135m"             # for every role that names none
    temperature = 0.7

    [team.critic]
    model = "openai/my-critic"
    base_url = "http://127.0.0.1:8000/v1"

    [budget]
    tokens = 4000

A role is a model's name, a table, or a list of tables; a verifier may also be `grader:KIND`, or
`grader` for the grader of each problem's own kind, and of several verifiers the mean counts. An
agent takes what it does not state from `[team]`: `adapter` only where it runs on the team's own
model, `base_url` only for `openai/`. Left out: prompts, parsers and functions, which are code.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue, ValidationError

from cogitate.agents import Agent, Critic, Generator, Refiner, Team, Verifier
from cogitate.agents.team import AnyVerifier
from cogitate.errors import ConfigError
from cogitate.graphs import Budget
from cogitate.tasks import (
    AutoGrader,
    ChoiceGrader,
    ExactGrader,
    Game24Grader,
    Grader,
    MathGrader,
    NumericGrader,
    ReasoningGymGrader,
    SortingGrader,
)

__all__ = [
    "ROLES",
    "AgentConfig",
    "BudgetConfig",
    "Configuration",
    "TeamConfig",
    "grader_named",
    "read_as",
]

DEFAULT_MODEL = "hf/smollm2-135m"
ROLES = ("generator", "critic", "verifier", "refiner")

_GRADERS: dict[str, type[Grader]] = {
    "auto": AutoGrader,
    "choice": ChoiceGrader,
    "exact": ExactGrader,
    "game24": Game24Grader,
    "math": MathGrader,
    "numeric": NumericGrader,
    "reasoning_gym": ReasoningGymGrader,
    "sorting": SortingGrader,
}

A = TypeVar("A", bound=Agent)
M = TypeVar("M", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentConfig(_Section):
    """One agent; what is None is the team's."""

    name: str = ""
    model: str | None = None
    base_url: str | None = None
    adapter: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    examples: int | None = None
    method: Literal["auto", "reward", "logprob", "text"] | None = None
    """How a verifier scores; of no other role."""
    reduce: Literal["last", "min", "product", "mean"] | None = None
    """How the steps of a verifier's reward model become one score; of no other role."""


def _several(given: object) -> object:
    """One agent or several, as a list of tables."""
    several: Sequence[object] = given if isinstance(given, list | tuple) else [given]
    return tuple({"model": one} if isinstance(one, str) else one for one in several)


_Agents = Annotated[tuple[AgentConfig, ...], BeforeValidator(_several)]


class TeamConfig(_Section):
    """Who thinks: the roles, and what they share."""

    model: str = DEFAULT_MODEL
    base_url: str | None = None
    adapter: str | None = None
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    examples: int | None = None
    generator: _Agents = (AgentConfig(),)
    critic: _Agents = (AgentConfig(),)
    verifier: _Agents = (AgentConfig(),)
    refiner: _Agents = (AgentConfig(),)

    def team(self) -> Team:
        """Make the team.

        Raises:
            ConfigError: A value that no agent takes, an unknown grader, or a `base_url` that
                belongs to no agent.
        """
        agents = [agent for role in ROLES for agent in self._role(role)]
        servers = [agent for agent in agents if (agent.model or self.model).startswith("openai/")]
        if self.base_url is not None and not servers:
            raise ConfigError(
                f"base_url={self.base_url!r} belongs to no agent: name a model of that server, "
                "such as openai/NAME"
            )
        return Team(
            self._agents(Generator, self.generator),
            self._agents(Critic, self.critic),
            self._verifiers(),
            self._agents(Refiner, self.refiner),
        )

    def _role(self, role: str) -> tuple[AgentConfig, ...]:
        agents: tuple[AgentConfig, ...] = getattr(self, role)  # one of ROLES
        return agents

    def _verifiers(self) -> list[AnyVerifier]:
        return [
            _grader(agent) if is_grader(agent) else self._agent(Verifier, agent)
            for agent in self.verifier
        ]

    def _agents(self, role: type[A], configs: tuple[AgentConfig, ...]) -> list[A]:
        return [self._agent(role, config) for config in configs]

    def _agent(self, role: type[A], config: AgentConfig) -> A:
        model = config.model or self.model
        base_url = config.base_url
        if base_url is None and model.startswith("openai/"):
            base_url = self.base_url
        adapter = config.adapter or (self.adapter if model == self.model else None)
        made = role(
            model,
            name=config.name,
            base_url=base_url,
            adapter=adapter,
            temperature=self.temperature if config.temperature is None else config.temperature,
            top_p=self.top_p if config.top_p is None else config.top_p,
            max_tokens=self.max_tokens if config.max_tokens is None else config.max_tokens,
            stop=config.stop,
            examples=self.examples if config.examples is None else config.examples,
        )
        if config.method is None and config.reduce is None:
            return made
        if not isinstance(made, Verifier):
            stated = "method" if config.method else "reduce"
            raise ConfigError(f"{made.role} has no {stated}: only a verifier scores by one")
        return replace(
            made, method=config.method or made.method, reduce=config.reduce or made.reduce
        )


def is_grader(agent: AgentConfig) -> bool:
    """Whether a verifier is programmatic."""
    return (agent.model or "").partition(":")[0] == "grader"


def _grader(agent: AgentConfig) -> Grader:
    return grader_named((agent.model or "").partition(":")[2] or "auto")


def grader_named(kind: str) -> Grader:
    """Return the grader of a kind, such as `math`.

    Raises:
        ConfigError: There is none.
    """
    if kind not in _GRADERS:
        raise ConfigError(f"no grader has the kind {kind!r}: {_choices(kind, list(_GRADERS))}")
    return _GRADERS[kind]()


class BudgetConfig(_Section):
    """What one problem may cost."""

    tokens: int | None = None
    calls: int | None = None
    money: float | None = None
    seconds: float | None = None

    def budget(self) -> Budget:
        """Make the budget.

        Raises:
            ConfigError: A limit that is not positive.
        """
        return Budget(tokens=self.tokens, calls=self.calls, money=self.money, seconds=self.seconds)


def _strategies(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class Configuration(_Section):
    """All that one file says."""

    team: TeamConfig = TeamConfig()
    strategy: Annotated[tuple[str, ...], BeforeValidator(_strategies)] = ()
    """One name with its parameters, or a list of them for `cogitate eval`."""
    budget: BudgetConfig = BudgetConfig()
    seed: int = 0

    @classmethod
    def read(cls, path: str | Path) -> "Configuration":
        """Read a `.toml`, `.yaml` or `.yml` file.

        Raises:
            ConfigError: There is no such file, or it says what no configuration says; the message
                names file and key.
        """
        return read_as(cls, path)


def read_as(kind: type[M], path: str | Path) -> M:
    """Read a `.toml`, `.yaml` or `.yml` file that says what a model says.

    Args:
        kind: The model; it refuses keys that it does not know.
        path: The file.

    Raises:
        ConfigError: There is no such file, or it says something else; the message names file and
            key.
    """
    file = Path(path)
    data = _parsed(file)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = _key(first["loc"], data)
        if first["type"] == "extra_forbidden":
            hint = _hint(str(first["loc"][-1]), kind)
            raise ConfigError(f"{file}: there is no key {where}: {hint}") from None
        what = f"{first['msg']}, got {first['input']!r}"
        raise ConfigError(f"{file}: {where}: {what}") from None


def _hint(given: str, kind: type[BaseModel]) -> str:
    """Say where a key belongs that a file has in the wrong place, or what is meant instead."""
    schema = kind.model_json_schema()
    top, defs = schema.get("properties", {}), schema.get("$defs", {})
    tables = {name: set(said.get("properties", {})) for name, said in defs.items()}
    places = ["at the top level"] if given in top else []
    for name, said in top.items():
        if any(given in tables[one] for one in re.findall(r"#/\$defs/(\w+)", str(said))):
            places.append(f"in [{name}]")
    if places:
        return f"it belongs {' or '.join(places)}"
    known = {*top, *(key for own in tables.values() for key in own)}
    return "it belongs in another table" if given in known else _choices(given, sorted(known))


def _parsed(file: Path) -> JsonValue:
    import yaml  # only those who have a file wait for it

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file}: it cannot be read ({error}): give a TOML or YAML file"
        ) from None
    try:
        if file.suffix == ".toml":
            return tomllib.loads(text)
        if file.suffix in (".yaml", ".yml"):
            parsed: JsonValue = yaml.safe_load(text) or {}
            return parsed
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{file}: it is no {file.suffix[1:].upper()}: {said}") from None
    raise ConfigError(f"{file}: a configuration file ends in .toml, .yaml or .yml: rename it")


def _key(location: Sequence[int | str], data: JsonValue) -> str:
    """Name a place in a file as its user wrote it: an index only where there is a list."""
    name, place = "", data
    for part in location:
        if isinstance(part, int):
            if not isinstance(place, list):
                continue
            name += f"[{part}]"
            place = place[part] if part < len(place) else None
        else:
            name += f".{part}" if name else part
            place = place.get(part) if isinstance(place, dict) else None
    return name or "the file"


def _choices(given: str, known: Sequence[str]) -> str:
    close = get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
