"""Lessons help where they should, and leave the rest alone: on simulated families of problems."""

import experience


def test_lessons_help_on_their_own_family_and_do_no_harm_on_others() -> None:
    effects, memory = experience.effects(train=60, test=100)
    memory.close()
    fees, books, sums = effects
    assert fees.gain.low > 0.4
    assert (books.family, books.gain.low, books.gain.high) == ("books", 0.0, 0.0)
    assert (sums.family, sums.gain.low, sums.gain.high) == ("sums", 0.0, 0.0)


def test_a_memory_that_recalls_whatever_there_is_does_harm() -> None:
    effects, memory = experience.effects(train=60, test=100, similarity=0.0)
    memory.close()
    _, books, sums = effects
    assert books.gain.high < 0
    assert sums.gain.high < 0


def test_recall_is_timed_on_lessons_that_are_found() -> None:
    measured = experience.speed(50, recalls=5)
    assert measured.lessons == 50
    assert 0 < measured.middle <= measured.slowest
