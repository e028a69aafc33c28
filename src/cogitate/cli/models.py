"""`cogitate models`: what may stand where a model's name stands."""

from pydantic import JsonValue

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, reported
from cogitate.cli.terminal import emit, emit_json
from cogitate.inference import PROVIDERS
from cogitate.inference.hf.embedded import EMBEDDED, find_embedded

__all__ = ["models"]

_NAMES = {
    "hf": ("hf/smollm2-135m", "hf/Qwen/Qwen3-8B", "hf/runs/my-model"),
    "openai": ("openai/NAME with the key in OPENAI_API_KEY", "openai/NAME with --base-url URL"),
}


@reported
def models(json: options.Json = False, seed: options.Seed = 0, debug: Debug = False) -> None:
    """List the providers of models, how to name a model, and whether the embedded one is ready.

    \b
    cogitate models
    """
    embedded: list[dict[str, JsonValue]] = []
    for name, model in EMBEDDED.items():
        folder = find_embedded(name)
        embedded.append(
            {
                "name": f"hf/{name}",
                "ready": folder is not None,
                "folder": None if folder is None else str(folder),
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
