"""The generators and scorers of reasoning_gym. Runs in a fork of `sandbox.py`."""

import dataclasses
import json
import typing
from typing import Any  # Any: reasoning_gym's entries and configurations are untyped

# An item of these depends on the seed of its whole set, so each is made as a set of its own.
_DRAWN_TOGETHER = ("acre", "gsm_symbolic")


def warm_up() -> None:
    """Import every family before the first fork."""
    import dateutil.parser  # noqa: F401  the scorers import these when first called
    import reasoning_gym  # noqa: F401
    import sympy

    sympy.simplify(sympy.parse_expr("2*x + sin(x) - x"))


def run(payload: dict[str, Any]) -> Any:
    """Do what `payload["do"]` names: `describe`, `make` or `score`."""
    return {"describe": describe, "make": make, "score": score}[payload["do"]](payload)


def describe(_payload: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the families, each with the types of the options that a text can set."""
    from reasoning_gym.factory import DATASETS

    return {
        name: {
            field.name: types[field.name]
            for field in dataclasses.fields(config)
            if field.name not in ("seed", "size") and field.name in types
        }
        for name, (_, config) in DATASETS.items()
        for types in [_settable(config)]
    }


def _settable(config: type) -> dict[str, str]:
    settable: dict[str, str] = {}
    for name, hint in typing.get_type_hints(config).items():
        kinds = [
            type(kind) if typing.get_origin(hint) is typing.Literal else kind
            for kind in typing.get_args(hint) or (hint,)
            if kind not in (type(None), ...)
        ]
        listed = typing.get_origin(hint) in (list, tuple)
        if len(set(kinds)) == 1 and kinds[0] in (bool, int, float, str):
            settable[name] = f"list of {kinds[0].__name__}" if listed else kinds[0].__name__
    return settable


def make(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `size` items of a family: those whose own seeds begin at `seed`."""
    seed, size = payload["seed"], payload["size"]
    if payload["family"] in _DRAWN_TOGETHER:
        items = [_dataset(payload, seed=seed + index, size=1)[0] for index in range(size)]
    else:
        dataset = _dataset(payload, seed=seed, size=size)
        items = [dataset[index] for index in range(size)]
    plain = json.loads(json.dumps(items, default=str))
    return [{**item, "item_seed": seed + index} for index, item in enumerate(plain)]


def score(payload: dict[str, Any]) -> float:
    """Return the score of `answer` to `entry`, an item of a family made with `options`."""
    return float(
        _dataset(payload, seed=0, size=1).score_answer(payload["answer"], payload["entry"])
    )


def _dataset(payload: dict[str, Any], *, seed: int, size: int) -> Any:
    from reasoning_gym.factory import create_dataset

    return create_dataset(payload["family"], seed=seed, size=size, **payload["options"])
