"""Problems to which 7 is right, a team that has to learn it, and a teacher for each role."""

from pathlib import Path

from cogitate.agents import Critic, Generator, Refiner, Team
from cogitate.inference import Request, Scripted
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import DPOSettings, LoRA, Optimisation, SFTSettings

FAST = Optimisation(learning_rate=1e-2, max_steps=48, batch_size=2, warmup=0)
SFT = SFTSettings(optimisation=FAST, adapter=LoRA(rank=8), max_tokens=4096)
DPO = DPOSettings(
    optimisation=Optimisation(learning_rate=1e-4, epochs=1, batch_size=4, warmup=0),
    adapter=LoRA(rank=8),
    max_tokens=4096,
)


def sevens(name: str, many: int) -> ProblemSet:
    """Problems of different texts, to all of which 7 is right."""
    return ProblemSet(
        name,
        [
            Problem(id=f"{name}{i}", prompt=f"{name} {i}?", reference="7", kind="numeric")
            for i in range(many)
        ],
    )


def pupil(folder: Path, *, provider: str = "hf") -> Team:
    """Three roles on one small model, which always says what it thinks likeliest."""
    name = f"{provider}/{folder}"
    return Team(
        Generator(name, temperature=0, max_tokens=12, examples=0),
        Critic(name, temperature=0, max_tokens=12, examples=0),
        refiner=Refiner(name, temperature=0, max_tokens=12, examples=0),
    )


def teacher() -> Team:
    """Drafts are right; one of three critiques is, and refinements of what that one accepts."""

    def reply(request: Request) -> str:
        last = request.sample == 2
        if request.operation == "critique":
            return f"Verdict {'yes' if last else 'no'}"
        if request.operation == "generate":
            return "Answer: 7"
        accepted = "Verdict yes" in request.messages[-1].content
        return f"Answer: {7 if accepted or request.sample == 0 else 8}"

    engine = Scripted(reply)
    return Team(Generator(engine), Critic(engine), refiner=Refiner(engine))
