"""Problem sets by name."""

from collections.abc import Callable

from cogitate.errors import ConfigError
from cogitate.tasks.problem import ProblemSet
from cogitate.tasks.sources.competition import competition
from cogitate.tasks.sources.files import from_file, from_hub
from cogitate.tasks.sources.game24 import game24
from cogitate.tasks.sources.generated import generated
from cogitate.tasks.sources.gsm8k import gsm8k
from cogitate.tasks.sources.options import Options, closest
from cogitate.tasks.sources.sorting import sorting

__all__ = ["load"]

_SOURCES: dict[str, Callable[[Options], ProblemSet]] = {
    "game24": game24,
    "gsm8k": gsm8k,
    "math": competition,
    "sorting": sorting,
}


def load(name: str) -> ProblemSet:
    """Load a problem set by name.

    Args:
        name: One of these, options after a question mark as in a web address:

            - `gsm8k`, `math`, `game24`, `sorting`: the small evaluation sets that come with the
              package, or `?path=FILE` of the same form; `size` and `offset` choose a part
            - `reasoning_gym/FAMILY?size=100&seed=0&…`: generated, with the family's own options
            - `jsonl:PATH`, `csv:PATH`, or a path that ends so: your own problems
            - `hf:NAME?split=test&prompt=question&answer=answer`: a Hugging Face data set

    Raises:
        ConfigError: The name, an option or a file is wrong, or there are too few problems.
        DataError: A row is wrong; the message names file and line.

    Example:
        >>> problems = load("gsm8k?size=2&offset=1")
        >>> len(problems), problems[1].reference
        (2, '70000')
    """
    source, _, query = name.partition("?")
    options = Options(name, query)
    prefix, colon, rest = source.partition(":")
    if source in _SOURCES:
        return _SOURCES[source](options)
    if source.startswith("reasoning_gym/"):
        return generated(source.removeprefix("reasoning_gym/"), options)
    if colon and prefix in ("jsonl", "csv"):
        if not rest.endswith(f".{prefix}"):
            raise ConfigError(f"{name}: give a file that ends in .{prefix}")
        return from_file(rest, options)
    if source.endswith((".jsonl", ".csv")):
        return from_file(source, options)
    if colon and prefix == "hf" and rest:
        return from_hub(rest, options)
    known = [*_SOURCES, "reasoning_gym/FAMILY", "jsonl:PATH", "csv:PATH", "hf:NAME"]
    hint = closest(source, _SOURCES)
    raise ConfigError(f"no problem set is called {name!r}{hint}. Known: {', '.join(known)}")
