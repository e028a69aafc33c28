"""`cogitate models`: what may stand where a model's name stands, and what trained ones come of."""

from typing import Annotated

import typer
from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.inference import PROVIDERS
from cogitate.inference.hf.embedded import EMBEDDED, find_embedded
from cogitate.training import Descendant, Lineage, lineage

__all__ = ["models"]

_NAMES = {
    "hf": ("hf/smollm2-135m", "hf/Qwen/Qwen3-8B", "hf/runs/my-model"),
    "openai": ("openai/NAME with the key in OPENAI_API_KEY", "openai/NAME with --base-url URL"),
}


Folder = Annotated[
    str | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="Tell where all trained weights in it come from: one adapter's or model's, or the "
        "run directory of a loop.",
        show_default=False,
    ),
]


@reported
def models(
    folder: Folder = None,
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """List how models are named; or, of a folder, what its weights were trained from and how.

    Without a folder: the providers, and whether the embedded model is ready. With one: a tree from
    the base down, with data, metrics and library versions, and what is gone or has changed.

    \b
    cogitate models
    cogitate models runs/malt
    """
    if folder is not None:
        _tell_lineage(lineage(folder), folder, json=json)
        return
    embedded: list[dict[str, JsonValue]] = []
    for name, model in EMBEDDED.items():
        where = find_embedded(name)
        embedded.append(
            {
                "name": f"hf/{name}",
                "ready": where is not None,
                "folder": None if where is None else str(where),
                "source": model.wheel,
                "licence": model.licence,
            }
        )
    if json:
        emit_json({"embedded": [*embedded], "providers": dict(PROVIDERS)})
        return
    emit("Embedded models:")
    for entry in embedded:
        ready = f"ready in {entry['folder']}" if entry["ready"] else "fetched at its first use"
        emit(f"  {entry['name']} ({entry['licence']}): {ready}")
    emit("\nOther models are named provider/model:")
    for provider, what in PROVIDERS.items():
        emit(f"  {provider + '/':<10} {what}")
        for example in _NAMES.get(provider, ()):
            emit(f"  {'':<10}   {example}")


def _tell_lineage(found: Lineage, root: str, *, json: bool) -> None:
    known = [one for top in found.roots for _, one in top.walk()]
    if json:
        emit_json({"weights": [_record(one) for one in known], "unreadable": [*found.unreadable]})
        return
    if known or found.unreadable:
        emit(str(found))
    else:
        note(f"no weights in {root} have a record: it was not trained here")


def _record(one: Descendant) -> dict[str, JsonValue]:
    return {
        "folder": str(one.folder),
        "revision": one.revision,
        "parent_folder": None if one.parent is None else str(one.parent),
        "faults": [*one.faults],
        "record": one.checkpoint.model_dump(mode="json"),
    }
