"""What a run was told to do, as a record: it tells runs apart, and a run can be made from it again.

Weights are known by a model's name and revision, and an adapter by what is in its folder, wherever
servers and folders are. Code of one's own (functions, prompts, parsers, strategies without a
registered name) is known as `told` says: change its name where it changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from cogitate.agents import Agent, Critic, Generator, Refiner, Team, Verifier
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Budget, ComputeOptimal, Strategy, strategy_named
from cogitate.graphs.recording import Plan
from cogitate.graphs.solve import open_engines
from cogitate.graphs.strategy import methods, name_of
from cogitate.inference import EngineInfo, Engines
from cogitate.inference.hf.locate import fetch, fingerprint
from cogitate.memory.told import is_plain, told
from cogitate.tasks import (
    AutoGrader,
    ChoiceGrader,
    CodeGrader,
    ExactGrader,
    Example,
    Game24Grader,
    Grader,
    MathGrader,
    NumericGrader,
    ProblemSet,
    ReasoningGymGrader,
    SortingGrader,
)

__all__ = ["AgentRecord", "Made", "RunRecord", "record_of"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentRecord(_Record):
    """One agent of a team."""

    role: str
    name: str
    model: str
    revision: str
    named: bool
    """The model was given by its name, so that it can be opened again."""
    base_url: str | None
    adapter: str | None
    adapter_revision: str
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]
    examples: int | None
    method: Literal["auto", "reward", "logprob", "text"] = "auto"
    reduce: Literal["last", "min", "product", "mean"] = "last"
    separator: str = ""
    code: JsonValue = None
    """Prompts, parsers and worked examples of its own, by their names."""

    def agent(self) -> Agent:
        """Make the agent.

        Raises:
            ConfigError: It has code or an engine of its own.
        """
        if not self.named or self.code:
            raise _unmade(f"the agent {self.name!r} has an engine or code of its own")
        made = _ROLES.get(self.role, Agent)(
            self.model,
            role=self.role,
            name=self.name,
            base_url=self.base_url,
            adapter=self.adapter,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            examples=self.examples,
        )
        if isinstance(made, Verifier):
            return replace(made, method=self.method, reduce=self.reduce, separator=self.separator)
        return made


class Made(NamedTuple):
    """A team and all else that a run needs but its problems."""

    team: Team
    strategy: Strategy
    budget: Budget
    seed: int


class RunRecord(_Record):
    """A run, but for its problems."""

    set: str
    """The name of its problem set; it does not tell runs apart."""
    agents: tuple[AgentRecord, ...]
    verifiers: tuple[str, ...]
    """All who verify, in order: names of agents, graders (`grader:MathGrader`) and functions."""
    strategy: str
    """As the command line names it, or the name of its code."""
    settings: JsonValue
    """All fields of the strategy."""
    budget: dict[str, float | None]
    seed: int
    examples: tuple[Example, ...]

    @property
    def key(self) -> str:
        """What equal runs have in common: 24 hexadecimal digits."""
        dumped = self.model_dump(mode="json", exclude={"set"})
        for agent in dumped["agents"]:
            del agent["base_url"], agent["named"]
            if agent["adapter_revision"]:
                del agent["adapter"]
        return blake2b(repr(dumped).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    @classmethod
    def read(cls, text: str) -> "RunRecord":
        """Read what `model_dump_json` wrote.

        Raises:
            DataError: It is damaged.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DataError(
                f"the record of a run cannot be read: {error.errors(include_url=False)[0]['msg']}"
            ) from None

    def make(self) -> Made:
        """Make the team, the strategy and the budget again.

        Raises:
            ConfigError: Some of it is code, which only who wrote it can give.
        """
        if self.strategy.partition("?")[0] not in methods() or not _plain(self.settings):
            raise _unmade(f"the strategy {self.strategy!r} is code")
        of_role: dict[str, list[Agent]] = {}
        for record in self.agents:
            of_role.setdefault(record.role, []).append(record.agent())
        named = {agent.name: agent for agents in of_role.values() for agent in agents}
        team = Team(
            [agent for agent in of_role.get("generator", []) if isinstance(agent, Generator)],
            [agent for agent in of_role.get("critic", []) if isinstance(agent, Critic)],
            [_verifier(name, named) for name in self.verifiers],
            [agent for agent in of_role.get("refiner", []) if isinstance(agent, Refiner)],
            others=[
                agent for role, agents in of_role.items() if role not in _ROLES for agent in agents
            ],
        )
        limits = dict(self.budget)
        budget = Budget(
            tokens=_whole(limits.get("tokens")),
            calls=_whole(limits.get("calls")),
            money=limits.get("money"),
            seconds=limits.get("seconds"),
        )
        return Made(team, strategy_named(self.strategy), budget, self.seed)


def record_of(plan: Plan, engines: Engines) -> RunRecord:
    """Say what a run shall do.

    Weights that are not on this machine yet are fetched: they are needed in any case.

    Raises:
        ConfigError: There is no such model or adapter.
    """
    for agent in plan.team.agents:
        if isinstance(agent.model, str) and agent.model.startswith("hf/"):
            fetch(agent.model.removeprefix("hf/"))
    opened = open_engines(plan.team, engines)
    how, budget = plan.strategy, plan.budget
    settings: list[JsonValue] = [told(how)]
    if isinstance(how, ComputeOptimal):  # its file may change
        settings.append(repr(how.loaded))
    return RunRecord(
        set=plan.problems.name if isinstance(plan.problems, ProblemSet) else "",
        agents=tuple(_agent(agent, opened[agent.name].info) for agent in plan.team.agents),
        verifiers=tuple(map(_verifier_name, plan.team.verifiers)),
        strategy=name_of(how),
        settings=settings,
        budget={
            "tokens": budget.tokens,
            "calls": budget.calls,
            "money": budget.money,
            "seconds": budget.seconds,
        },
        seed=plan.seed,
        examples=tuple(plan.examples),
    )


_ROLES: Mapping[str, type[Agent]] = {
    "generator": Generator,
    "critic": Critic,
    "verifier": Verifier,
    "refiner": Refiner,
}
_GRADERS: Mapping[str, type[Grader]] = {
    one.__name__: one
    for one in (
        AutoGrader,
        ChoiceGrader,
        CodeGrader,
        ExactGrader,
        Game24Grader,
        MathGrader,
        NumericGrader,
        ReasoningGymGrader,
        SortingGrader,
    )
}


def _agent(agent: Agent, info: EngineInfo) -> AgentRecord:
    folder = None if agent.adapter is None else Path(agent.adapter)
    judge = agent if isinstance(agent, Verifier) else None
    code: dict[str, JsonValue] = {
        name: own for name in ("prompts", "parsers", "shots") if (own := told(getattr(agent, name)))
    }
    return AgentRecord(
        role=agent.role,
        name=agent.name,
        model=agent.model if isinstance(agent.model, str) else info.model,
        revision=info.revision,
        named=isinstance(agent.model, str),
        base_url=agent.base_url,
        adapter=agent.adapter,
        adapter_revision=fingerprint(folder) if folder is not None and folder.is_dir() else "",
        temperature=agent.temperature,
        top_p=agent.top_p,
        max_tokens=agent.max_tokens,
        stop=agent.sampling.stop,
        examples=agent.examples,
        method=judge.method if judge else "auto",
        reduce=judge.reduce if judge else "last",
        separator=judge.separator if judge else "",
        code=code or None,
    )


def _verifier_name(verifier: object) -> str:
    if isinstance(verifier, Agent):
        return verifier.name
    kind = type(verifier).__name__
    if kind in _GRADERS and told(verifier) == told(_GRADERS[kind]()):
        return f"grader:{kind}"
    return f"code:{told(verifier)}"


def _verifier(name: str, named: Mapping[str, Agent]) -> Verifier | Grader:
    kind, _, what = name.partition(":")
    if kind == "grader" and what in _GRADERS:
        return _GRADERS[what]()
    agent = named.get(name)
    if isinstance(agent, Verifier):
        return agent
    raise _unmade(f"the verifier {name!r} is code")


def _unmade(what: str) -> ConfigError:
    return ConfigError(
        f"{what}: go on with the run from Python, by the call of cogitate.run that began it"
    )


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def _plain(settings: JsonValue) -> bool:
    """Whether a strategy's name says all that its fields say."""
    first = settings[0] if isinstance(settings, list) and settings else None
    own = first.get("fields") if isinstance(first, dict) else None
    return isinstance(own, dict) and all(map(is_plain, own.values()))
