"""`cogitate compare`: whether two evaluations of the same problems differ, tested in pairs."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.results import Line, read_lines
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import ConfigError
from cogitate.training.paired import Comparison, scores_of
from cogitate.training.paired import compare as compared

__all__ = ["compare"]

First = Annotated[str, typer.Argument(metavar="A.jsonl", help="What `eval --output` wrote.")]
Second = Annotated[
    str, typer.Argument(metavar="B.jsonl", help="Another such file, or the same one.")
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="Of both files; given twice, of A and of B. All that both files have by default.",
    ),
]
Draws = Annotated[int, typer.Option(metavar="N", help="Draws of the bootstrap.", min=1)]


class _Row(NamedTuple):
    """Two strategies on one set."""

    set: str
    a: str
    b: str
    found: Comparison
    oracle: bool


@reported
def compare(
    a: First,
    b: Second,
    strategy: Strategies = None,
    draws: Draws = 10_000,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """Compare two evaluations problem by problem: difference, 95% interval, p-values.

    \b
    cogitate compare before.jsonl after.jsonl
    cogitate compare results.jsonl results.jsonl --strategy direct --strategy 'best-of-n?n=4'
    """
    chosen = strategy or []
    if len(chosen) > 2:
        raise ConfigError("--strategy: give one for both files, or two: A's and B's")
    if a == b and len(set(chosen)) < 2:
        raise ConfigError(f"{a} is both files: name two strategies in it with --strategy")
    of_a, of_b = _by_set(a), _by_set(b)
    rows = [
        _compared(name, (x, of_a[name][x]), (y, of_b[name][y]), draws=draws, seed=seed)
        for name in of_a
        if name in of_b
        for x, y in _pairs(name, [*of_a[name]], [*of_b[name]], chosen)
    ]
    if not rows:
        raise ConfigError(
            f"{a} and {b} have no set with these strategies in common: evaluate both on the same "
            "problem set, by the same name"
        )
    if json:
        emit_json({"comparisons": [_record(row) for row in rows]})
    else:
        _show(rows, a, b)


def _record(row: _Row) -> dict[str, JsonValue]:
    found = row.found
    names: dict[str, JsonValue] = {"set": row.set, "a": row.a, "b": row.b, "p": found.p}
    return {**names, "oracle": row.oracle, **found.model_dump(mode="json")}


def _compared(
    name: str,
    a: tuple[str, Sequence[Line]],
    b: tuple[str, Sequence[Line]],
    *,
    draws: int,
    seed: int,
) -> _Row:
    (strategy_a, of_a), (strategy_b, of_b) = a, b
    found = compared(scores_of(of_a), scores_of(of_b), draws=draws, seed=seed)
    oracle = any(line.oracle for line in (*of_a, *of_b))
    return _Row(name, strategy_a, strategy_b, found, oracle)


def _by_set(path: str) -> dict[str, dict[str, list[Line]]]:
    """The lines of each set and strategy."""
    found: dict[str, dict[str, list[Line]]] = {}
    seen: set[tuple[str, str, str, int]] = set()
    for line in read_lines(path):
        place = line.set, line.strategy, line.problem, line.seed
        if place in seen:
            raise ConfigError(
                f"{path}: {line.strategy} answered {line.problem!r} of {line.set} twice with "
                f"seed {line.seed}: several teams or budgets are in it: write a file for each"
            )
        seen.add(place)
        found.setdefault(line.set, {}).setdefault(line.strategy, []).append(line)
    return found


def _pairs(
    name: str, in_a: Sequence[str], in_b: Sequence[str], chosen: Sequence[str]
) -> list[tuple[str, str]]:
    """Which strategy of A is compared with which of B, on the set of that name."""
    if chosen:
        pair = chosen[0], chosen[-1]
        return [pair] if pair[0] in in_a and pair[1] in in_b else []
    if common := [one for one in in_a if one in in_b]:
        return [(one, one) for one in common]
    if len(in_a) == len(in_b) == 1:
        return [(in_a[0], in_b[0])]
    raise ConfigError(
        f"{name}: no strategy is in both files (A has {', '.join(in_a)}; B has {', '.join(in_b)}): "
        "name A's and B's with --strategy, twice"
    )


_HEADER = (
    "| A | B | problems | right: A | B | difference | 95% interval | only A | only B | p | "
    "bootstrap p |"
)


def _show(rows: Sequence[_Row], a: str, b: str) -> None:
    emit(f"A is {a}, B is {b}")
    for name in dict.fromkeys(row.set for row in rows):
        emit(f"\n{name}\n\n{_HEADER}")
        emit("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for row in rows:
            if row.set == name:
                emit(_cells(row))
    if any(row.found.unpaired for row in rows):
        emit("\nOnly problems that both files finished are compared.")
    if any(row.oracle for row in rows):
        emit("\noracle: a verifier read the right answers, so this compares with nothing else.")
    if any(row.found.p_exact is None for row in rows):
        emit("\nProblems have several samples: p is by sign flips of the shares, not McNemar's.")
    if len(rows) > 1:
        emit(
            f"\n{len(rows)} comparisons: where nothing differs, one p in twenty is below 0.05 "
            "anyway."
        )


def _cells(row: _Row) -> str:
    found = row.found
    low, high = found.interval
    cells = (
        row.a,
        row.b,
        str(found.problems),
        f"{found.mean_a:.1%}",
        f"{found.mean_b:.1%}",
        f"{found.difference:+.1%}",
        f"{low:+.1%} to {high:+.1%}",
        str(found.only_a),
        str(found.only_b),
        f"{found.p:.3g}",
        f"{found.p_bootstrap:.3g}",
    )
    return f"| {' | '.join(cells)} |"
