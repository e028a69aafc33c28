"""Lessons of one process, recalled by the words that two problems share (see `similarity`).

It needs no file and no library. `Experience` is the memory that outlives a process, knows where
each lesson comes from, and recalls solved examples too.
"""

import math
from collections import Counter
from collections.abc import Mapping

from cogitate.agents import Lesson
from cogitate.errors import ConfigError
from cogitate.memory.similarity import words_of
from cogitate.tasks import Problem
from cogitate.tasks.held_back import held_back

__all__ = ["LessonBook"]


class LessonBook:
    """Lessons of this process; only those whose outcome was verified are recalled.

    What a problem recalls depends on which problems came before it: run them one at a time
    (`concurrency=1`) where a run shall be repeatable.

    Args:
        most: How many lessons a problem recalls at most.
        similarity: The least similarity of two problems, from 0 (no word shared) to 1.

    Example:
        >>> import asyncio
        >>> book = LessonBook()
        >>> lesson = Lesson(text="Carry.", problem="a", prompt="Add 38 and 47.", verified=True)
        >>> asyncio.run(book.learn(lesson))
        >>> [one.text for one in asyncio.run(book.recall(Problem(prompt="Add 5 and 66.")))]
        ['Carry.']
    """

    def __init__(self, *, most: int = 3, similarity: float = 0.3) -> None:
        if most < 1 or not 0 <= similarity <= 1:
            raise ConfigError(
                f"LessonBook(most={most}, similarity={similarity}): most is at least 1, and "
                "similarity lies in [0, 1]"
            )
        self._most = most
        self._similarity = similarity
        self._lessons: dict[Lesson, Counter[str]] = {}

    def __len__(self) -> int:
        return len(self._lessons)

    async def recall(self, problem: Problem) -> list[Lesson]:
        """The verified lessons of similar problems, the most similar first, then the newest."""
        usable = [
            (lesson, words)
            for lesson, words in reversed(self._lessons.items())
            if lesson.verified and lesson.problem != problem.id and lesson.prompt != problem.prompt
        ]
        asked = words_of(problem.prompt)
        seen_in = Counter(word for _, words in usable for word in words)
        rarity = {
            word: math.log(1 + (1 + len(usable)) / (1 + seen_in[word]))
            for word in seen_in.keys() | asked.keys()
        }
        # Rounded as `Experience` does: one that is just similar enough is so in both.
        scored = [(round(_cosine(asked, words, rarity), 9), lesson) for lesson, words in usable]
        similar = [(score, lesson) for score, lesson in scored if score >= self._similarity]
        similar.sort(key=lambda pair: -pair[0])
        different: dict[str, Lesson] = {}
        for _, lesson in similar:
            different.setdefault(lesson.text, lesson)
        return list(different.values())[: self._most]

    async def learn(self, lesson: Lesson) -> None:
        """Keep a lesson, but none of a problem that is held back for measuring."""
        problem = Problem(id=lesson.problem, prompt=lesson.prompt, kind=lesson.kind)
        if held_back(problem) is None:
            self._lessons.setdefault(lesson, words_of(lesson.prompt))


def _cosine(a: Mapping[str, int], b: Mapping[str, int], weight: Mapping[str, float]) -> float:
    shared = sum(a[word] * b[word] * weight[word] ** 2 for word in a.keys() & b.keys())
    length = math.prod(
        math.sqrt(sum((count * weight[word]) ** 2 for word, count in words.items()))
        for words in (a, b)
    )
    return shared / length if length else 0.0
