"""A team: who plays which role. A role may have several agents, each with a name of its own."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from cogitate.agents.agent import Agent, Critic, Generator, Refiner, Verifier
from cogitate.errors import ConfigError
from cogitate.inference import Engine
from cogitate.tasks import Grader, Problem

__all__ = ["Team", "VerifyFunction"]

VerifyFunction = Callable[[Problem, str], float | Awaitable[float]]
"""A verifier of one's own: problem and solution text in, a score in [0, 1] out.

Where it raises, the thought keeps the error and no score. A plain function holds up every search
while it runs: make it async where it takes long.
"""

A = TypeVar("A", bound=Agent)


class Team:
    """The agents that think about a problem together.

    Args:
        generator, critic, refiner: One agent, or a list of agents.
        verifier: An agent, a list, a programmatic grader, or a function. A grader reads the
            reference answer: it makes results an oracle's, and they are labelled so.
        others: Agents of roles beyond the four.

    Raises:
        ConfigError: Two agents have one name, or the team is empty.

    Example:
        >>> from cogitate.inference import Scripted
        >>> team = Team.of(Scripted(["Answer: 4"]), temperature=0.3)
        >>> team.critic.name, team.generator.temperature
        ('critic', 0.3)
    """

    def __init__(
        self,
        generator: Generator | Sequence[Generator] = (),
        critic: Critic | Sequence[Critic] = (),
        verifier: Verifier | Sequence[Verifier] | Grader | VerifyFunction | None = None,
        refiner: Refiner | Sequence[Refiner] = (),
        *,
        others: Sequence[Agent] = (),
    ) -> None:
        self.grader: Grader | None = None
        """The programmatic verifier, where there is one."""
        self.function: VerifyFunction | None = None
        """The verifying function, where there is one."""
        verifiers: Sequence[Verifier] = ()
        if isinstance(verifier, Verifier | Sequence):
            verifiers = _several(verifier)
        elif isinstance(verifier, Grader):
            self.grader = verifier
        elif verifier is not None:
            if not callable(verifier):
                raise ConfigError(
                    f"verifier={verifier!r}: give a Verifier, a grader such as "
                    "cogitate.tasks.MathGrader(), or a function"
                )
            self.function = verifier
        self.agents: tuple[Agent, ...] = (
            *_several(generator),
            *_several(critic),
            *verifiers,
            *_several(refiner),
            *others,
        )
        if not self.agents:
            raise ConfigError("the team is empty: give it at least a generator")
        counts = Counter(agent.name for agent in self.agents)
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise ConfigError(f"several agents are named {repeated[0]!r}: give each its own name=")

    @classmethod
    def of(
        cls,
        model: str | Engine,
        *,
        verifier: Verifier | Grader | VerifyFunction | None = None,
        base_url: str | None = None,
        adapter: str | None = None,
        temperature: float = 0.7,
        top_p: float = 1.0,
        max_tokens: int = 512,
        examples: int | None = None,
    ) -> "Team":
        """Return a team whose four roles are all played by `model`.

        Args:
            model: A name `provider/model`, or an engine.
            verifier: Another verifier than the model itself.
            base_url: Of an OpenAI-compatible server.
            adapter: A PEFT adapter folder that the model wears in every role.
            temperature: How the roles sample, with `top_p` and `max_tokens`.
            top_p: See `cogitate.inference.Sampling`.
            max_tokens: The most tokens of one reply.
            examples: How many worked examples prompts show (see `Agent`).
        """

        def agent(role: type[A]) -> A:
            return role(
                model,
                base_url=base_url,
                adapter=adapter,
                temperature=temperature,
                top_p=top_p,
                max_tokens=max_tokens,
                examples=examples,
            )

        return cls(agent(Generator), agent(Critic), verifier or agent(Verifier), agent(Refiner))

    @property
    def oracle(self) -> bool:
        """Whether the verifier may read the reference answer."""
        return self.grader is not None

    @property
    def generator(self) -> Agent:
        """The first generator."""
        return self.agent("generator")

    @property
    def critic(self) -> Agent:
        """The first critic."""
        return self.agent("critic")

    @property
    def verifier(self) -> Agent:
        """The first verifier that is a model."""
        return self.agent("verifier")

    @property
    def refiner(self) -> Agent:
        """The first refiner."""
        return self.agent("refiner")

    def agent(self, who: str) -> Agent:
        """The agent of that name, or the first of that role.

        Raises:
            ConfigError: There is none.
        """
        for agent in self.agents:
            if agent.name == who:
                return agent
        for agent in self.playing(who):
            return agent
        have = ", ".join(agent.name for agent in self.agents)
        raise ConfigError(f"this strategy needs a {who}, and the team has only {have}: add one")

    def playing(self, role: str) -> Iterator[Agent]:
        """Yield the agents of a role, in order."""
        return (agent for agent in self.agents if agent.role == role)

    def __repr__(self) -> str:
        return f"Team({', '.join(agent.name for agent in self.agents)})"


def _several(agents: A | Sequence[A]) -> Sequence[A]:
    """One agent or several, as several; several of one role that have no name are numbered."""
    if isinstance(agents, Agent):
        return (agents,)
    if wrong := [agent for agent in agents if not isinstance(agent, Agent)]:
        raise ConfigError(
            f"{wrong[0]!r} is no agent: give one such as Generator('hf/smollm2-135m'), or as the "
            "verifier also a grader or a function"
        )
    if len(agents) < 2 or any(agent.name != agent.role for agent in agents):
        return agents
    return [replace(agent, name=f"{agent.role}-{i}") for i, agent in enumerate(agents, start=1)]
