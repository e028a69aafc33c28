"""The card of trained weights, as the Hugging Face hub reads it, from the record beside them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import JsonValue, ValidationError

from cogitate.errors import ConfigError, DataError
from cogitate.inference.hf.embedded import EMBEDDED
from cogitate.training.checkpoint import Checkpoint
from cogitate.training.evaluate import Evaluation
from cogitate.training.promote import Promotion

__all__ = ["Verdict", "ancestors", "licence_of", "model_card", "named", "verdict_of"]


class Verdict(NamedTuple):
    """What dev problems said of the weights."""

    before: Evaluation
    after: Evaluation
    promotion: Promotion


def verdict_of(folder: Path) -> Verdict | None:
    """Read `judged.json` beside the weights; None where they were not judged.

    Raises:
        DataError: It is no such file.
    """
    file = folder / "judged.json"
    if not file.exists():
        return None
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        return Verdict(
            Evaluation.model_validate(said["before"]),
            Evaluation.model_validate(said["after"]),
            Promotion.model_validate(said["promotion"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(f"{file} is no verdict: take it away, or judge again ({error})") from None


def ancestors(folder: Path) -> list[tuple[str, Checkpoint]]:
    """Return the records of the weights and of all that they were trained from, newest first."""
    found: list[tuple[str, Checkpoint]] = []
    where: Path | None = folder
    seen: set[Path] = set()
    while where is not None and where.resolve() not in seen:
        seen.add(where.resolve())
        try:
            found.append((where.name, Checkpoint.load(where)))
        except ConfigError:
            break
        parent = Path(found[-1][1].parent)
        where = parent if parent.is_dir() else None
    return found


def licence_of(base: str) -> str | None:
    """Return the licence that a model on this machine states: an embedded one's, or its card's."""
    name = base.removeprefix("hf/")
    if name in EMBEDDED:
        return EMBEDDED[name].licence.lower()
    card = Path(name) / "README.md"
    if not card.is_file():
        return None
    _, bar, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    if not bar:
        return None
    try:
        front: JsonValue = yaml.safe_load(rest.partition("\n---")[0])
    except yaml.YAMLError:
        return None
    found = front.get("license") if isinstance(front, dict) else None
    return found if isinstance(found, str) else None


def model_card(folder: Path, *, name: str, base: str, licence: str | None) -> str:
    """Write the card of a folder that a trainer made.

    Args:
        folder: The weights, with their record, and with `judged.json` where they were judged.
        name: Of the model.
        base: What the hub knows the base as.
        licence: Its identifier; the card says where it is not known.

    Raises:
        ConfigError: The folder has no record.
        DataError: A record cannot be read.
    """
    record, verdict = Checkpoint.load(folder), verdict_of(folder)
    adapter = (folder / "adapter_config.json").exists()
    front = yaml.safe_dump(
        {
            "license": licence or "unknown",
            **({"base_model": base} if "/" in base else {}),  # an embedded one is not on the hub
            "library_name": "peft" if adapter else "transformers",
            "tags": ["cogitate", "reasoning", record.method],
        },
        sort_keys=False,
        allow_unicode=True,
    )
    terms = licence or f"not known: look at the terms of {base}, which hold for these weights too"
    parts = [
        f"---\n{front}---",
        f"# {_line(name)}",
        f"{'An adapter' if adapter else 'A model'} trained from `{_line(base)}` by "
        f"`{record.method}` on {record.rows} rows with Cogitate. License: {_line(terms)}.",
        "## How to load it",
        _loading(name, base, adapter=adapter),
        "## Judged" if verdict else "",
        _judged(verdict) if verdict else "",
        "## Where it comes from",
        _lineage(folder),
        f"Hash of all trained tokens, in order: `{record.data_hash}`.",
        "## Training",
        _table(record.counts, "rows", "number") if record.counts else "",
        _table(record.metrics, "measure", "at the end"),
        f"```json\n{json.dumps(named(dict(record.settings)), indent=2, sort_keys=True)}\n```",
        "## Made with",
        _table(record.libraries, "library", "version"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def named(value: JsonValue) -> JsonValue:
    """Return a value in which paths of this machine are cut down to names."""
    if isinstance(value, dict):
        return {key: named(one) for key, one in value.items()}
    if isinstance(value, list):
        return [named(one) for one in value]
    if isinstance(value, str) and value.startswith(("/", "hf//", "vllm//", "~/")):
        return Path(value).name if "\n" not in value else value
    return value


def _loading(name: str, base: str, *, adapter: bool) -> str:
    if not adapter:
        return f'```python\nimport cogitate as cg\n\nteam = cg.Team.of("hf/{name}")\n```'
    return (
        "```python\nimport cogitate as cg\nfrom huggingface_hub import snapshot_download\n\n"
        f'team = cg.Team.of("hf/{base}", adapter=snapshot_download("{name}"))\n```'
    )


def _judged(verdict: Verdict) -> str:
    rows = [
        f"| {when} | {one.accuracy:.1%} | {one.interval.low:.1%} to {one.interval.high:.1%} | "
        f"{one.format_rate:.1%} | {one.problems} |"
        for when, one in (("before", verdict.before), ("after", verdict.after))
    ]
    head = "| | accuracy | 95% interval | format kept | problems |\n|---|---:|---:|---:|---:|"
    said = verdict.promotion
    return "\n".join(
        [
            head,
            *rows,
            "",
            f"On `{_line(Path(said.dev).name)}`, which was not trained on: {_line(said.reason)}.",
        ]
    )


def _lineage(folder: Path) -> str:
    lines = []
    for name, record in ancestors(folder):
        lines.append(
            f"- `{_line(name)}`: `{record.method}` on {record.rows} rows, from "
            f"`{_line(Path(record.parent).name)}` (`{record.parent_revision[:12]}`)"
        )
    return "\n".join(lines)


def _table(numbers: Mapping[str, object], what: str, value: str) -> str:
    shown = [(name, _number(one)) for name, one in numbers.items()]
    rows = [f"| {_line(name)} | {text} |" for name, text in shown if text is not None]
    return "\n".join([f"| {what} | {value} |", "|---|---:|", *rows]) if rows else ""


def _number(value: object) -> str | None:
    if isinstance(value, str):
        return _line(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _line(text: str) -> str:
    """Return a text on one line that ends no table, code or heading."""
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")
