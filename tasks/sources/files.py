"""Problems from a file or a data set of the user's own."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import JsonValue

from cogitate.errors import ConfigError, DataError
from cogitate.tasks.answers import PROGRAM_KINDS
from cogitate.tasks.code import parse_cases
from cogitate.tasks.problem import Problem, ProblemSet
from cogitate.tasks.sources.options import Options
from cogitate.tasks.sources.rows import Row, problem_set, read_rows

__all__ = ["from_file", "from_hub"]

_PROMPTS = ("prompt", "question", "input", "problem")
_REFERENCES = ("reference", "answer", "target")
_TESTS = ("tests", "test", "test_list", *_REFERENCES)


def from_file(path: str, options: Options) -> ProblemSet:
    """Load a `.jsonl` or `.csv` file.

    The prompt is the column `prompt`, `question`, `input` or `problem`, or the one that
    `?prompt=` names; the reference is `reference`, `answer` or `target`, or the one that
    `?answer=` names, and may be missing. `?kind=` says how to grade; columns `id` and `kind` are
    kept; all others become metadata. Where the answer is a program (`code`, `snippet`), the
    reference is its tests: a text or a list in the column `tests`, `test` or `test_list` as well.

    Raises:
        DataError: A row is wrong, or its tests cannot be split (`cogitate.tasks.code.cases`).
    """
    return _load(options, read_rows(path), path)


def from_hub(name: str, options: Options) -> ProblemSet:
    """Load a data set of the Hugging Face hub, or a local folder of one, by name.

    Options besides those of `from_file`: `split` (test) and `config`. No code of the data set runs.
    """
    import datasets  # heavy, and only this source needs it

    split, config = options.text("split") or "test", options.text("config")
    try:
        rows = datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{options.name}: the data set cannot be loaded: {reason}. Check its name, the split "
            "and the config, and the network"
        ) from error
    return _load(options, _hub_rows(rows, f"{name}[{split}]"), name)


def _hub_rows(rows: Iterable[object], name: str) -> Iterator[Row]:
    for number, values in enumerate(rows):
        if not isinstance(values, dict):
            raise DataError(f"{name}, row {number}: not a row with columns")
        plain = (str, int, float, bool, type(None))
        kept: dict[str, JsonValue] = {
            str(key): value for key, value in values.items() if isinstance(value, plain)
        }
        yield Row(kept, f"{name}, row {number}")


def _load(options: Options, rows: Iterator[Row], source: str) -> ProblemSet:
    size, offset = options.integer("size"), options.integer("offset")
    prompt, answer, kind = (options.text(name) for name in ("prompt", "answer", "kind"))
    options.finish()
    stem = Path(source).stem
    problems = (
        _problem(row, f"{stem}-{number}", prompt, answer, kind) for number, row in enumerate(rows)
    )
    return problem_set(options.name, problems, size=size, offset=offset or 0)


def _problem(
    row: Row, default_id: str, prompt: str | None, answer: str | None, kind: str | None
) -> Problem:
    own_kind = row.text("kind") if row.values.get("kind") else "auto"
    kind = kind or own_kind
    program = kind in PROGRAM_KINDS
    prompts = (prompt,) if prompt else _PROMPTS
    references = (answer,) if answer else _TESTS if program else _REFERENCES
    has_reference = any(row.values.get(name) is not None for name in references)
    used = {*prompts, *references, "id", "kind"}
    read = _tests if program else Row.text
    return Problem(
        id=row.text("id") if "id" in row.values else default_id,
        prompt=row.text(*prompts),
        reference=read(row, *references) if has_reference or answer else None,
        kind=kind,
        metadata={name: value for name, value in row.values.items() if name not in used},
    )


def _tests(row: Row, *names: str) -> str:
    """Return the tests of a program as one text, which can be split."""
    first = next((row.values[name] for name in names if name in row.values), None)
    tests = json.dumps(first) if isinstance(first, list) else row.text(*names)
    entry_point, setup = row.values.get("entry_point"), row.values.get("setup")
    try:
        parse_cases(tests, entry_point=str(entry_point or ""), setup=str(setup or ""))
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from None
    return tests
