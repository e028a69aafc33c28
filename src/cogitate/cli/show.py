"""`cogitate show`: a graph that was saved, or what a run store holds."""

from pathlib import Path
from typing import Annotated

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.runs import is_store
from cogitate.cli.show_store import View, show_store
from cogitate.cli.terminal import emit, emit_json
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import ThoughtGraph, best_thought

__all__ = ["show"]

File = Annotated[
    str, typer.Argument(metavar="FILE", help="What `solve --save` wrote, or the store of a run.")
]
Run = Annotated[
    str | None, typer.Option("--run", metavar="KEY", help="Of a store: list this run's episodes.")
]
Number = Annotated[
    int | None,
    typer.Option("--episode", metavar="NUMBER", help="Of a store: show this episode's graph."),
]
Mermaid = Annotated[
    bool, typer.Option("--mermaid", help="In the Mermaid language, for pages and documents.")
]
Width = Annotated[int, typer.Option(metavar="N", help="Characters shown of each text.", min=10)]


@reported
def show(
    file: File,
    run: Run = None,
    episode: Number = None,
    mermaid: Mermaid = False,
    width: Width = 100,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """Show a thought graph as a tree or in the Mermaid language, or the runs of a store.

    \b
    cogitate solve "What is 12 * 13?" --save graph.json
    cogitate show graph.json --mermaid > graph.mmd
    cogitate show runs.db
    cogitate show runs.db --episode 1
    """
    if is_store(Path(file)):
        show_store(file, View(run, episode, mermaid, width, json))
        return
    if run is not None or episode is not None:
        raise ConfigError(f"{file} is no store of runs: leave out --run and --episode")
    graph = _read(Path(file))
    best = best_thought(graph)
    answer = None if best is None else best.answer
    if json:
        import json as text  # the option of this command has the same name

        emit_json({"answer": answer, "thoughts": len(graph), "graph": text.loads(graph.to_json())})
    elif mermaid:
        emit(graph.to_mermaid(width=width).rstrip("\n"))
    else:
        emit(graph.to_tree(width=width))
        emit(f"{len(graph)} thoughts. Answer: {'none' if answer is None else answer}")


def _read(file: Path) -> ThoughtGraph:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file}: it cannot be read ({error}): give a file that `cogitate solve --save` wrote"
        ) from None
    try:
        return ThoughtGraph.from_json(text)
    except DataError as error:
        raise DataError(
            f"{file}: {error}. Give a file that `cogitate solve --save` wrote"
        ) from None
