"""Which weights the roles of a team wear, and the team that wears them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cogitate.agents import Agent, Critic, Generator, Refiner, Team, Verifier
from cogitate.errors import ConfigError
from cogitate.training.trainers.sampling import CurrentWeights

__all__ = [
    "Begins",
    "Policy",
    "as_policy",
    "at_temperature",
    "base_of",
    "begins",
    "wear",
    "worn_by",
]

Policy = Callable[[CurrentWeights], Team]
"""Makes the team around the model that learns, as it is now; the same agents each time."""


class Begins(NamedTuple):
    """What a trainer begins with."""

    base: str
    adapter: Path | None
    """To go on with; None for a new one."""


def begins(base: str, folder: Path | None) -> Begins:
    """Return what a trainer is given to go on with trained weights.

    Args:
        base: The model that they were trained on.
        folder: An adapter of it or a whole model; None for the base itself.
    """
    if folder is not None and _is_whole(folder):
        return Begins(f"hf/{folder}", None)
    return Begins(base, folder)


def wear(team: Team, weights: Mapping[str, Path]) -> Team:
    """Return the team with weights for every agent of some roles; the others stay as they are.

    Args:
        team: Who thinks.
        weights: A PEFT folder for each role, or a whole model's.

    Raises:
        ConfigError: A role that nobody plays.
    """
    if unknown := sorted(set(weights) - {agent.role for agent in team.agents}):
        raise ConfigError(f"no agent of the team plays {unknown[0]!r}: add one, to give it weights")

    def dressed(agent: Agent) -> Agent:
        folder = weights.get(agent.role)
        if folder is None:
            return agent
        if _is_whole(folder):
            return _on(agent, f"hf/{folder}", None)
        return replace(agent, adapter=str(folder))

    return _remade(team, dressed)


def as_policy(team: Team, role: str, *, temperature: float) -> Policy:
    """Return what puts a model that learns into a team, in the place of all agents of a role.

    Args:
        team: Who thinks; the agents of other roles stay as they are.
        role: Whose weights are trained.
        temperature: At which that role samples.
    """

    def around(weights: CurrentWeights) -> Team:
        def learning(agent: Agent) -> Agent:
            if agent.role != role:
                return agent
            return replace(_on(agent, weights.model, weights.adapter), temperature=temperature)

        return _remade(team, learning)

    return around


def at_temperature(team: Team, temperature: float) -> Team:
    """Return the team with all who write sampling at one temperature; verifiers stay as they are.

    Raises:
        ConfigError: It is negative.
    """
    return _remade(
        team,
        lambda one: one if isinstance(one, Verifier) else replace(one, temperature=temperature),
    )


def _remade(team: Team, make: Callable[[Agent], Agent]) -> Team:
    agents = [make(agent) for agent in team.agents]
    verifying = {agent.name: agent for agent in agents if isinstance(agent, Verifier)}
    return Team(
        [agent for agent in agents if isinstance(agent, Generator)],
        [agent for agent in agents if isinstance(agent, Critic)],
        [verifying[one.name] if isinstance(one, Verifier) else one for one in team.verifiers],
        [agent for agent in agents if isinstance(agent, Refiner)],
        others=[
            agent
            for agent in agents
            if not isinstance(agent, Generator | Critic | Verifier | Refiner)
        ],
    )


def worn_by(team: Team, role: str) -> Path | None:
    """Return the adapter that the agents of a role wear.

    Raises:
        ConfigError: They wear different ones, or nobody plays the role.
    """
    worn = {agent.adapter for agent in team.playing(role)}
    if len(worn) != 1:
        raise ConfigError(
            f"the team has {len(worn)} adapters for its {role}s: a loop trains one for each role, "
            "so give all agents of a role the same"
        )
    adapter = worn.pop()
    return None if adapter is None else Path(adapter)


def base_of(team: Team, role: str, base: str | None) -> str:
    """Return the model that a role's adapter is trained on.

    Args:
        team: Who thinks.
        role: Whose weights.
        base: Its name where it was given.

    Raises:
        ConfigError: The team's model is none that can be trained here.
    """
    if base is not None:
        return base
    models = {agent.model for agent in team.playing(role) if isinstance(agent.model, str)}
    local = [name for name in models if name.startswith(("hf/", "vllm/"))]
    if len(local) != 1 or len(models) != 1:
        raise ConfigError(
            f"which model do the {role}s train? Give base=, such as 'hf/smollm2-135m': it is not "
            "said by the team"
        )
    return local[0].replace("vllm/", "hf/", 1)


def _is_whole(folder: Path) -> bool:
    """Whether a folder of weights is a model's, not an adapter's."""
    return (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file()


def _on(agent: Agent, model: str, adapter: str | None) -> Agent:
    """An agent on other weights of its own kind of engine, in process."""
    if isinstance(agent.model, str) and agent.model.startswith("vllm/"):
        model = model.replace("hf/", "vllm/", 1)
    return replace(agent, model=model, adapter=adapter, base_url=None)
