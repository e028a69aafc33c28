"""Finding passages in documents by their words: BM25 (Robertson and Zaragoza 2009), in memory.

For some thousands of passages. What is left out: stemming, meaning, and languages that write no
spaces between words.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from cogitate.errors import ConfigError, DataError
from cogitate.inference.text import valid_unicode

__all__ = ["Document", "Retriever"]

_WORD = re.compile(r"\w+")
_PARAGRAPH = re.compile(r"\n\s*\n")
_SUFFIXES = frozenset({".md", ".rst", ".txt"})
_SATURATION = 1.5
_LENGTH = 0.75


class Document(NamedTuple):
    """A passage that can be found."""

    text: str
    title: str = ""


class Retriever:
    """A tool that tells the passages whose words fit a query best.

    Args:
        documents: Texts or `Document`s, each told as a whole.
        k: How many passages a call tells at most.

    Example:
        >>> import asyncio
        >>> retriever = Retriever(["Ada wrote the first program.", "Tea is a drink."], k=1)
        >>> asyncio.run(retriever.call("Who wrote the first program?"))
        '[1] Ada wrote the first program.'
    """

    name = "retrieve"
    description = "looks up passages about a query in the documents at hand"

    def __init__(self, documents: Sequence[str | Document], *, k: int = 3) -> None:
        if isinstance(documents, str):
            raise ConfigError("documents is one text: give a list, or Retriever.of(path)")
        if k < 1:
            raise ConfigError(f"Retriever(k={k}): tell at least one passage")
        self._k = k
        self.documents = tuple(
            Document(document) if isinstance(document, str) else document for document in documents
        )
        if not self.documents:
            raise ConfigError("there are no documents: give at least one")
        self._counts = [Counter(_words(f"{one.title} {one.text}")) for one in self.documents]
        self._lengths = [counts.total() for counts in self._counts]
        self._mean = sum(self._lengths) / len(self._lengths) or 1.0
        self._holding = Counter(word for counts in self._counts for word in counts)

    @classmethod
    def of(cls, path: str | Path, *, k: int = 3) -> Self:
        """Read documents from a folder or a file.

        Args:
            path: A folder of .txt, .md and .rst files or one such file, whose paragraphs become
                passages; or a .jsonl file of rows with a `text`, and a `title` if they have one.
            k: How many passages a call tells at most.

        Raises:
            ConfigError: There is no such path, or nothing to read in it.
            DataError: A file or a row cannot be read as what it should be.
        """
        place = Path(path).expanduser()
        if not place.exists():
            raise ConfigError(f"documents={path}: there is no such file or folder")
        if place.suffix == ".jsonl" and place.is_file():
            found = list(_rows(place))
        else:
            files = [place] if place.is_file() else _files(place)
            found = [document for file in files for document in _paragraphs(file, place)]
        if not found:
            raise ConfigError(
                f"documents={path}: nothing to read there: give a .jsonl file, or a folder of "
                f"{', '.join(sorted(_SUFFIXES))} files"
            )
        return cls(found, k=k)

    def find(self, query: str) -> list[Document]:
        """The passages that fit `query` best, the best first; none where no word is shared.

        Args:
            query: Words, in any order.
        """
        words = dict.fromkeys(_words(query))
        scores = [(self._score(words, i), -i) for i in range(len(self.documents))]
        best = sorted((pair for pair in scores if pair[0] > 0), reverse=True)
        return [self.documents[-i] for _, i in best[: self._k]]

    async def call(self, text: str, /) -> str:
        """Tell the best passages, numbered."""
        found = self.find(text)
        if not found:
            return "no document holds a word of this query: try other words"
        return "\n".join(
            f"[{i}] {one.title + ': ' if one.title else ''}{one.text.strip()}"
            for i, one in enumerate(found, start=1)
        )

    def _score(self, words: dict[str, None], i: int) -> float:
        counts = self._counts[i]
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * self._lengths[i] / self._mean)
        return sum(
            self._rarity(word) * counts[word] * (_SATURATION + 1) / (counts[word] + norm)
            for word in words
            if word in counts
        )

    def _rarity(self, word: str) -> float:
        holding = self._holding[word]
        return math.log(1 + (len(self.documents) - holding + 0.5) / (holding + 0.5))


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())


def _paragraphs(file: Path, root: Path) -> Iterator[Document]:
    title = file.name if file == root else str(file.relative_to(root))
    for paragraph in _PARAGRAPH.split(_read(file)):
        if paragraph.strip():
            yield Document(paragraph.strip(), title)


def _rows(file: Path) -> Iterator[Document]:
    for number, line in enumerate(_read(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}, line {number}: this is no JSON: {error}") from None
        text = row.get("text") if isinstance(row, dict) else None
        title = row.get("title", "") if isinstance(row, dict) else None
        if not isinstance(text, str) or not isinstance(title, str):
            raise DataError(
                f'{file}, line {number}: write rows like {{"text": "...", "title": "..."}}'
            )
        yield Document(valid_unicode(text), valid_unicode(title))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text: {error}") from None
