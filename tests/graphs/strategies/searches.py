"""Every named strategy with small random parameters, as a command line would name it."""

import random
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

import cogitate as cg
from cogitate.agents.team import VerifyFunction
from cogitate.graphs import methods, strategy_named
from cogitate.inference import Engine

NAMES = list(methods())
SUM = cg.tasks.Problem(id="sum", prompt="What is 6 * 7?", reference="42", kind="numeric")
LIST = cg.tasks.Problem(
    id="list",
    prompt="Sort this list in ascending order.\n[3, 1, 2, 1, 0, 9, 4, 4]",
    reference="[0, 1, 1, 2, 3, 4, 4, 9]",
    kind="sorting",
)
STORY = cg.tasks.Problem(id="story", prompt="Tell a story in three words.")
NEEDED = {"compute-optimal": {"plan": str(Path(__file__).with_name("plan.json"))}}
"""What a strategy cannot do without."""
LARGE = 4
"""Numbers above it make a search long; a test draws smaller ones."""


def draw(name: str, chance: random.Random, **fixed: str | float) -> str:
    """Name a strategy with small random parameters: `best-of-n?n=3&weighted=True`.

    Args:
        name: The strategy's name.
        chance: Where parameters come from.
        fixed: Parameters that are not drawn, for a strategy that has them.
    """
    hints, defaults, text = _hints(name), methods()[name].parameters, name
    for _ in range(200):
        values: dict[str, object] = {**NEEDED.get(name, {})}
        for parameter, hint in hints.items():
            if parameter in values:
                continue
            default = defaults[parameter]
            usual = default if isinstance(default, int) else 0
            if usual > LARGE or chance.random() < 0.7:
                value = _value(hint, chance)
                if usual > 4 * LARGE and isinstance(value, int):
                    value *= 3
                values |= {} if value is None else {parameter: value}
        values |= {parameter: value for parameter, value in fixed.items() if parameter in hints}
        text = f"{name}?{urlencode(values)}" if values else name
        try:
            strategy_named(text)
        except cg.ConfigError:
            continue
        return text
    raise AssertionError(f"{name} took none of 200 draws for {list(hints)}: the last was {text}")


def small(name: str, **fixed: str | float) -> str:
    """Name a strategy with small parameters, always the same."""
    return draw(name, random.Random(f"small {name}"), **fixed)


def problem_for(strategy: str, number: int = 0) -> cg.tasks.Problem:
    """A problem that the strategy can work on: a list where it sorts, else one of several."""
    return LIST if "sorting" in strategy else (SUM, LIST, STORY)[number % 3]


def _hints(name: str) -> Mapping[str, object]:
    factory = methods()[name].factory
    hints = get_type_hints(factory)
    return {f.name: hints[f.name] for f in fields(factory)} if is_dataclass(factory) else {}


def _value(hint: object, chance: random.Random) -> object:
    """A value of that type; None where the default is to stay."""
    if get_origin(hint) is Literal:
        return chance.choice(get_args(hint))
    if arms := get_args(hint):
        return _value(chance.choice(arms), chance)
    if hint is bool:
        return chance.random() < 0.5
    if hint is int:
        return chance.choice([1, 2, 2, 3, 3, LARGE])
    if hint is float:
        return chance.choice([0.1, 0.25, 0.5, 0.7, 0.9, 1.0, 2.0])
    return None


def team(*engines: Engine, max_tokens: int = 60, verifier: VerifyFunction | None = None) -> cg.Team:
    """A team with a generator on each engine, at least two, and the other roles on the first."""
    first = engines[0]
    minds = engines if len(engines) > 1 else (first, first)
    generators = [cg.Generator(engine, max_tokens=max_tokens) for engine in minds]
    return cg.Team(
        generators,
        cg.Critic(first, max_tokens=max_tokens),
        verifier or cg.Verifier(first, max_tokens=max_tokens),
        cg.Refiner(first, max_tokens=max_tokens),
    )
