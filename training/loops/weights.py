"""Which weights the roles of a team wear, and the team that wears them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cogitate.agents import Agent, Critic, Generator, Refiner, Team, Verifier
from cogitate.errors import ConfigError

__all__ = ["at_temperature", "base_of", "wear", "worn_by"]


def wear(team: Team, adapters: Mapping[str, Path]) -> Team:
    """Return the team with an adapter for every agent of some roles; the others stay as they are.

    Args:
        team: Who thinks.
        adapters: A PEFT folder for each role.

    Raises:
        ConfigError: A role that nobody plays.
    """
    if unknown := sorted(set(adapters) - {agent.role for agent in team.agents}):
        raise ConfigError(f"no agent of the team plays {unknown[0]!r}: add one, to give it weights")

    def dressed(agent: Agent) -> Agent:
        folder = adapters.get(agent.role)
        return agent if folder is None else replace(agent, adapter=str(folder))

    return _remade(team, dressed)


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
