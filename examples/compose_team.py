"""Compose a team on two models: one writes, another judges.

    python examples/compose_team.py [CRITIC_MODEL [BASE_URL]]

The generator and the refiner run in this process. The critic may run anywhere: give for example
`openai/my-critic http://127.0.0.1:8000/v1` for a server that speaks the OpenAI protocol. Without
arguments the critic is a function wrapped as an engine, which shows that any code can play a role.
"""

import re
import sys

import cogitate as cg
from cogitate.inference import Engine, Request, Scripted


def check_sums(request: Request) -> str:
    """Criticise by rule: recompute every `a + b = c` and `a - b = c` in the last solution."""
    solution = request.messages[-1].content.rpartition("<solution>")[2]
    for left, sign, right, result in re.findall(r"(-?\d+) ([+-]) (\d+) = (-?\d+)", solution):
        right_result = int(left) + int(right) * (1 if sign == "+" else -1)
        if right_result != int(result):
            return f"{left} {sign} {right} is {right_result}, not {result}.\nAccept: no"
    return "Every step is right.\nAccept: yes"


def main(critic: str | Engine, base_url: str | None) -> None:
    team = cg.Team(
        generator=cg.Generator("hf/smollm2-135m", max_tokens=64),
        critic=cg.Critic(critic, base_url=base_url, max_tokens=128),
        refiner=cg.Refiner("hf/smollm2-135m", max_tokens=64),
    )
    result = cg.solve(
        "What is 38 + 47 - 21 + 16?", team, cg.SelfRefine(rounds=2), budget=cg.Budget(calls=12)
    )
    print(result.graph.to_tree())
    print(f"answer {result.answer!r} after {result.usage.calls} calls, stopped: {result.stopped}")


if __name__ == "__main__":
    model = sys.argv[1] if len(sys.argv) > 1 else Scripted(check_sums, name="rule")
    main(model, sys.argv[2] if len(sys.argv) > 2 else None)
