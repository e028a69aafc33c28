"""`cogitate methods`: the ways of thinking that have a name."""

from typing import Annotated
from urllib.parse import quote

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.terminal import emit, emit_json
from cogitate.graphs import Method
from cogitate.graphs import methods as named

__all__ = ["methods", "page"]

Markdown = Annotated[
    bool, typer.Option("--markdown", help="Write them as a page of documentation.")
]

_HEAD = """\
# Methods

<!-- Made by `cogitate methods --markdown`: edit the strategies in graphs/strategies/ instead. -->

Every strategy that has a name: `--strategy 'NAME?PARAMETER=VALUE&…'` on the command line, a class
in Python. Calls are those of models for one problem, verifiers and critics included; one sampled
completion is one call, however completions are batched. The [evaluation](evaluation.md) tells where
search loses.
"""


@reported
def methods(
    markdown: Markdown = False,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """List the strategies: parameters, model calls for one problem, and when they pay.

    \b
    cogitate methods
    cogitate methods --markdown > docs/methods.md
    """
    if json:
        emit_json({"methods": [_record(method) for method in named().values()]})
        return
    if markdown:
        emit(page(), end="")
        return
    for method in named().values():
        parameters = "&".join(
            f"{name}={quote(default) if isinstance(default, str) else default}"
            for name, default in method.parameters.items()
        )
        emit(f"{method.name}{'?' if parameters else ''}{parameters}\n    {method.summary}")
        for label, text in (
            ("paper", method.paper),
            ("calls", method.calls),
            ("pays", method.pays),
        ):
            if text:
                emit(f"    {label}: {text}")
        emit()


def page() -> str:
    """The page of documentation, in Markdown."""
    found = named().values()
    rows = [["Method", "Pays", "Calls for one problem"]]
    rows += [[f"[`{m.name}`](#{m.name})", m.pays, m.calls] for m in found]
    return "\n".join([_HEAD, *_table(rows), *(line for m in found for line in _section(m))]) + "\n"


def _section(method: Method) -> list[str]:
    told = {"Paper": method.paper, "Calls": method.calls, "Pays": method.pays}
    lines = [f"\n## {method.name}\n", f"`{method.factory.__name__}`: {method.summary}\n"]
    lines += [f"- {label}: {text}" for label, text in told.items() if text]
    rows = [
        [f"`{p.name}`", p.values, "" if p.default == "" else _code(p.default), p.meaning]
        for p in method.described
    ]
    head = [["Parameter", "Type", "Default", "Meaning"]]
    return [*lines, "", *_table(head + rows)] if rows else lines


def _code(value: object) -> str:
    return f"`{repr(value)[1:-1] if isinstance(value, str) else value}`"


def _table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _record(method: Method) -> dict[str, JsonValue]:
    plain = (str, int, float, bool, type(None))
    return {
        "name": method.name,
        "summary": method.summary,
        "parameters": {
            p.name: p.default if isinstance(p.default, plain) else str(p.default)
            for p in method.described
        },
        "meanings": {p.name: p.meaning for p in method.described},
        "paper": method.paper,
        "calls": method.calls,
        "pays": method.pays,
    }
