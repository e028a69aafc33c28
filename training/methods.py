"""Every method of learning that is described beside its code, read without importing any of it.

The kinds are the folders of `training/`. The objectives of the policy-gradient trainer are no code
of their own but settings, and are described where these stand, in `trainers/presets.py`. What are
parameters of a method is its class's or its settings record's to say.
"""

import ast
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

__all__ = ["Kind", "Learning", "learnings"]


class Kind(StrEnum):
    """What a method of learning is; `cogitate methods` lists strategies beside these."""

    TRAINERS = "trainers"
    OBJECTIVES = "objectives"
    ADAPTERS = "adapters"
    REWARDS = "rewards"
    CREDIT = "credit"
    LOOPS = "loops"


class Learning(NamedTuple):
    """What is known of one method of learning."""

    kind: Kind
    name: str
    code: str
    """What to call in Python, as a name of `cogitate.training` or below."""
    summary: str
    """What it does, in a sentence."""
    paper: str
    """Empty for what is our own."""
    needs: str
    """Rows of which kind, rollouts, a graph with which grades."""
    costs: str
    """In passes of a model, samples and memory."""
    pays: str
    """When it is worth that, and when not."""


def learnings(kind: Kind | None = None) -> tuple[Learning, ...]:
    """Return what is said of the methods of a kind, or of all, by kind and name.

    Example:
        >>> [one.name for one in learnings(Kind.LOOPS)][:2]
        ['iterative-rl', 'malt']
    """
    # The help of the command line should not wait for all trainers' settings.
    from cogitate.training.trainers.presets import OBJECTIVES

    found = [
        Learning(
            Kind.OBJECTIVES,
            name,
            f'trainers.Objective.model_validate("{name}")',
            said.summary,
            said.paper,
            said.needs,
            said.costs,
            said.pays,
        )
        for name, said in OBJECTIVES.items()
    ]
    for folder in ("trainers", "rewards", "credit", "loops"):
        for file in sorted((Path(__file__).parent / folder).glob("*.py")):
            whose = Kind.ADAPTERS if file.stem == "adapters" else Kind(folder)
            found += _described(file, whose, folder)
    order = list(Kind)
    return tuple(
        sorted(
            (one for one in found if kind is None or one.kind == kind),
            key=lambda one: (order.index(one.kind), one.name),
        )
    )


def _described(file: Path, kind: Kind, folder: str) -> Iterator[Learning]:
    """What the decorated functions and classes of a file say of themselves."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for call in node.decorator_list:
            match call:
                case ast.Call(func=ast.Name("described"), args=[ast.Constant(str(name))]):
                    said = _texts(call)
                    yield Learning(
                        kind,
                        name,
                        f"{folder}.{node.name}",
                        (ast.get_docstring(node) or "").partition("\n")[0],
                        said.get("paper", ""),
                        said.get("needs", ""),
                        said.get("costs", ""),
                        said.get("pays", ""),
                    )
                case _:
                    pass


def _texts(call: ast.Call) -> Mapping[str, str]:
    return {word.arg: str(ast.literal_eval(word.value)) for word in call.keywords if word.arg}
