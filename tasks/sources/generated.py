"""Problems that reasoning_gym makes (Stojanovski et al., 2025, arXiv:2505.24760).

They are made in the graders' child process, which has one fixed hash seed: six families depend on
the order of sets, and would differ from run to run otherwise. Item i of seed s has the seed s + i
of its own in most families, so its id names that seed, and sets whose ranges of seeds overlap
share problems.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain

from pydantic import JsonValue

from cogitate.errors import ConfigError, DataError, GraderError
from cogitate.tasks.child import JobFailed
from cogitate.tasks.graders.reasoning_gym import gym_child
from cogitate.tasks.problem import Example, Problem, ProblemSet
from cogitate.tasks.sources.options import Options, closest
from cogitate.tasks.sources.rows import problem_set
from cogitate.tasks.sources.steps import worked

__all__ = ["UNUSABLE", "families", "generated"]

_SIZE = 100
_PART = 20
_SECONDS = 120.0
# Where a set's seeds cover the first of these, its examples come from the second.
_EXAMPLE_SEEDS = (900_000, 800_000)

UNUSABLE: Mapping[str, str] = {
    "boxnet": "it gives no solution that its scorer could be checked with",
    "codeio": "some of its programs draw random numbers of their own, whatever the seed",
    "composite": "it only mixes other families: load those",
    "list_functions": "an item depends on the items made before it, not on its seed",
    "rush_hour": "it gives no solution that its scorer could be checked with",
}

_WORDS = {"bool": "true or false", "int": "a whole number", "float": "a number"}

# Families whose items carry a solution beside their answer, which is left empty.
_SOLUTION = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}


def families() -> list[str]:
    """Return the names of the usable families."""
    return sorted(_describe().keys() - UNUSABLE.keys())


def generated(family: str, options: Options) -> ProblemSet:
    """Make problems of one family.

    Options are `size` (100), `seed` (0), and those of the family's own configuration; a list is
    written with commas. The items are exactly those of the seeds from `seed` to `seed + size - 1`,
    so that sets a size apart share no seed. Where two have the same text, one is left out and
    counted in `dropped`: the set is then smaller than `size`.
    """
    settable = _describe().get(family)
    if family in UNUSABLE:
        raise ConfigError(f"{options.name}: {family} cannot be used: {UNUSABLE[family]}")
    if settable is None:
        hint = closest(family, families())
        raise ConfigError(f"{options.name}: reasoning_gym has no family {family!r}{hint}")
    size, seed = options.integer("size"), options.integer("seed") or 0
    size = _SIZE if size is None else size
    chosen: dict[str, JsonValue] = {}
    for option, kind in settable.items():
        value = options.text(option)
        if value is not None:
            chosen[option] = _read(options.name, option, kind, value)
    options.finish()
    if size < 1 or seed < 0:
        raise ConfigError(f"{options.name}: size must be at least 1 and seed at least 0")
    maker = _Maker(options.name, family, chosen)
    examples = maker.examples(*_EXAMPLE_SEEDS, avoid=range(seed, seed + size))
    return problem_set(options.name, maker.problems(seed, size), examples=examples)


class _Maker:
    def __init__(self, name: str, family: str, options: dict[str, JsonValue]) -> None:
        self.name = name
        self.family = family
        self.options = options

    def problems(self, seed: int, size: int) -> Iterator[Problem]:
        """Make the problems of the seeds from `seed` on."""
        for start in range(0, size, _PART):
            for item in self._items(seed + start, min(_PART, size - start)):
                yield self._problem(item)

    def examples(self, first: int, second: int, *, avoid: range) -> list[Example]:
        """Make two worked examples from seeds that the set does not use."""
        seed = first if first not in avoid and first + 4 not in avoid else second
        found: dict[str, Example] = {}
        for item in chain.from_iterable(self._items(seed + number, 1) for number in range(5)):
            problem, entry = self._problem(item), item["metadata"]
            assert isinstance(entry, dict) and problem.reference is not None
            steps = worked(self.family, entry, problem.reference)
            example = Example(prompt=problem.prompt, response=steps, author="cogitate")
            found[problem.prompt] = example
            if len(found) == 2:
                break
        return list(found.values())

    def _items(self, seed: int, size: int) -> list[dict[str, JsonValue]]:
        payload: dict[str, JsonValue] = {
            "do": "make", "family": self.family, "options": self.options, "seed": seed, "size": size
        }  # fmt: skip
        try:
            items = gym_child.run_sync(payload, limit=_SECONDS)
        except JobFailed as error:
            raise ConfigError(
                f"{self.name}: reasoning_gym cannot make this: {error}. Change the options"
            ) from None
        if not isinstance(items, list):
            raise DataError(f"{self.name}: reasoning_gym made no list of items")
        return [item for item in items if isinstance(item, dict)]

    def _problem(self, item: dict[str, JsonValue]) -> Problem:
        entry, reference = item["metadata"], item["answer"]
        assert isinstance(entry, dict)
        if reference is None and self.family in _SOLUTION:
            solution = entry[_SOLUTION[self.family]]
            reference = solution if isinstance(solution, str) else json.dumps(solution)
        if not isinstance(reference, str):
            raise DataError(f"{self.name}: item {item['item_seed']} has no answer")
        return Problem(
            id=f"{self.family}-{item['item_seed']}",
            prompt=str(item["question"]).strip(),
            reference=reference,
            kind="reasoning_gym",
            metadata={"family": self.family, "options": self.options, "entry": entry},
        )


@cache
def _describe() -> dict[str, dict[str, str]]:
    try:
        described = gym_child.run_sync({"do": "describe"}, limit=_SECONDS)
    except JobFailed as error:
        raise GraderError(f"reasoning_gym cannot be read: {error}: install it again") from None
    assert isinstance(described, dict)
    return {
        family: {option: str(kind) for option, kind in options.items()}
        for family, options in described.items()
        if isinstance(options, dict)
    }


def _read(name: str, option: str, kind: str, value: str) -> JsonValue:
    if kind.startswith("list of "):
        return [
            _read(name, option, kind.removeprefix("list of "), part) for part in value.split(",")
        ]
    try:
        match kind:
            case "bool":
                return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
            case "int":
                return int(value)
            case "float":
                return float(value)
            case _:
                return value
    except (KeyError, ValueError):
        raise ConfigError(f"{name}: {option}={value} must be {_WORDS[kind]}") from None
