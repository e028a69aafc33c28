"""Filters: what each drops, that it counts it, and that nothing else goes."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.errors import ConfigError
from cogitate.graphs import Source
from cogitate.inference import Message
from cogitate.tasks import Problem
from cogitate.tasks.held_back import folded
from cogitate.training import KTORow, Reply, Rows, SFTRow
from cogitate.training.filters import (
    Balance,
    HeldOut,
    Length,
    NearUnique,
    Perplexity,
    PerProblem,
    Unique,
)

FULL_WIDTH = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}


def row(
    completion: str,
    question: str = "What is 6 * 7?",
    logprob: float | None = None,
    shown: str | None = None,
) -> SFTRow:
    ids = tuple(completion.encode())
    return SFTRow(
        problem="p",
        question=question,
        role="generator",
        agent="generator",
        operation="generate",
        messages=(Message("user", shown or question),),
        thought="t.0",
        completion=completion,
        completion_ids=ids,
        logprobs=None if logprob is None else (logprob,) * len(ids),
        source=Source("hf/x"),
        grade=1.0,
    )


def wanted(*labels: bool) -> list[KTORow]:
    first = row("x")
    reply = Reply(thought="t.0", completion="x", source=Source("m"), value=1)
    fields = {name: getattr(first, name) for name in ("problem", "question", "role", "agent")}
    return [
        KTORow(
            **fields,
            operation="generate",
            messages=first.messages,
            reply=reply.model_copy(update={"thought": f"t.{i}"}),
            wanted=label,
        )
        for i, label in enumerate(labels)
    ]


def test_the_same_reply_to_the_same_prompt_is_kept_once_whatever_its_spaces() -> None:
    rows = [row("Answer: 42"), row("Answer:  42\n"), row("Answer: 42", "What is 42?"), row("42")]
    kept = Rows.of(SFTRow, rows).through(Unique())
    assert list(kept) == [rows[0], rows[2], rows[3]]
    assert kept.counts == {"rows": 3, "duplicate": 1}


def test_nearly_the_same_reply_is_kept_once_among_those_to_one_prompt() -> None:
    long = " ".join(f"word{i}" for i in range(50))
    rows = [row(long), row(f"{long} more"), row("a wholly different text of some words")]
    # 48 sequences of three words, of 49: 0.98 in common.
    kept = Rows.of(SFTRow, [*rows, row(long, "Another question?")]).through(NearUnique(0.8))
    assert [r.completion for r in kept] == [long, rows[2].completion, long]
    assert kept.counts["near duplicate"] == 1
    assert len(list(Rows.of(SFTRow, rows).through(NearUnique(0.99)))) == 3


def test_half_of_the_words_changed_is_another_text() -> None:
    one = " ".join(f"a{i}" for i in range(40))
    other = " ".join(f"a{i}" if i < 20 else f"b{i}" for i in range(40))
    assert len(list(Rows.of(SFTRow, [row(one), row(other)]).through(NearUnique(0.8)))) == 2


def test_lengths_are_of_tokens_as_sampled() -> None:
    rows = [row("x" * n) for n in (1, 5, 9)]
    unknown = row("x").model_copy(update={"completion_ids": None})
    kept = Rows.of(SFTRow, [*rows, unknown]).through(Length(least=2, most=8))
    assert [len(r.completion) for r in kept] == [5]
    assert kept.counts == {"rows": 1, "too short": 1, "too long": 1, "length unknown": 1}
    characters = Rows.of(SFTRow, [*rows, unknown]).through(Length(1, 8, "characters"))
    assert len(list(characters)) == 3


def test_the_least_likely_twentieth_is_dropped() -> None:
    rows = [row(f"{i} says", logprob=-i / 10) for i in range(1, 41)]
    unknown = row("unknown")
    kept = Rows.of(SFTRow, [*rows, unknown]).through(Perplexity())
    # Nearest rank: the 38th of 40 is the 95th percentile, so two are above it.
    assert list(kept) == [*rows[:38], unknown]
    assert (kept.counts["too unlikely"], kept.counts["perplexity unknown (kept)"]) == (2, 1)


def test_so_many_rows_of_a_text_are_kept() -> None:
    rows = [row(str(i)) for i in range(4)] + [row("x", "What  is 6 * 7?"), row("x", "Else?")]
    kept = Rows.of(SFTRow, rows).through(PerProblem(2))
    assert [r.completion for r in kept] == ["0", "1", "x"]
    assert kept.counts["capped"] == 3


@given(st.lists(st.booleans(), max_size=60))
def test_labels_are_balanced_and_spread(labels: list[bool]) -> None:
    kept = list(Rows.of(KTORow, wanted(*labels)).through(Balance()))
    least = min(labels.count(True), labels.count(False)) if len(set(labels)) == 2 else len(labels)
    for label in set(labels):
        assert sum(r.wanted is label for r in kept) == least


def test_rows_without_labels_cannot_be_balanced() -> None:
    with pytest.raises(ConfigError, match="PerProblem"):
        list(Rows.of(SFTRow, [row("x")]).through(Balance()))


def test_filters_add_up_what_they_drop_and_rows_can_be_read_again() -> None:
    rows = [row(str(i % 3), logprob=-1) for i in range(9)]
    kept = Rows.of(SFTRow, rows).through(Unique(), Perplexity(), PerProblem(2))
    for _ in range(2):
        assert len(list(kept)) == 2
        assert kept.counts == {"rows": 2, "duplicate": 6, "capped": 1}


TEXT = "the quick brown fox jumps over the lazy dog while seven wise owls watch from above"
WORDS = TEXT.split()
HELD_OUT = Problem(id="held", prompt=" ".join(WORDS))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("  The quick BROWN fox jumps over the lazy dog while seven wise owls watch from\nabove",
         "exact"),
        ("Solve: " + " ".join(WORDS) + " now", "exact"),
        (" ".join(["one", *WORDS[1:14], "else"]), "13-gram"),
        (" ".join(WORDS[:12]), "8-gram"),
    ],
)  # fmt: skip
def test_what_holds_a_held_out_problem_is_dropped_wherever_it_stands(text: str, rule: str) -> None:
    for seen in (row("x", text), row(text), row("x", "Fine?", shown=f"Example. {text}")):
        held_out = HeldOut([HELD_OUT])
        kept = Rows.of(SFTRow, [row("fine"), seen]).through(held_out)
        assert [r.completion for r in kept] == ["fine"]
        assert kept.counts["contaminated"] == 1
        assert (held_out.report.rows, held_out.report.dropped) == (2, {rule: 1})
        assert held_out.report.shown[0].held_out == "held"


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(str.upper, id="case"),
        pytest.param(lambda text: unicodedata.normalize("NFD", text), id="accents in parts"),
        pytest.param(lambda text: text.translate(FULL_WIDTH), id="full width"),
        pytest.param("\u200b".join, id="invisible spaces"),
        pytest.param(lambda text: text.replace("e", "e\u00ad"), id="soft hyphens"),
        pytest.param(lambda text: text.replace("'", "\u2019"), id="curly quotes"),
        pytest.param(lambda text: text.replace(" - ", " \u2212 "), id="minus sign"),
        pytest.param(lambda text: text.replace(" ", "\u00a0 "), id="white space"),
    ],
)
def test_a_held_out_problem_is_found_however_it_is_written(disguise: Callable[[str], str]) -> None:
    text = "Janet's Café sells 16 - 3 éclairs"
    assert HeldOut([text]).seen_in(row("x", disguise(text))) is not None
    assert HeldOut([disguise(text)]).seen_in(row("x", f"So: {text}. Good.")) is not None
    assert folded(disguise(text)) == folded(text)


def test_words_in_a_row_are_found_between_other_signs() -> None:
    held_out = HeldOut([HELD_OUT])
    shown = " ".join(f"**{word}**" for word in ["one", *WORDS[1:14], "else"])
    found = held_out.seen_in(row("x", shown))
    assert found is not None and found.rule == "13-gram"


def test_scripts_without_spaces_are_compared_by_their_characters() -> None:
    problem = "六乘以七等于多少请给出答案"
    found = HeldOut([problem]).seen_in(row("x", f"求解{problem}谢谢"))
    assert found is not None and found.rule == "exact"


def test_a_shared_form_is_no_contamination_and_a_shared_text_is() -> None:
    form = "State the final answer to the following arithmetic problem and write nothing else: {} ="
    held_out = HeldOut(form.format(f"{i} + {i + 1}") for i in range(12))
    kept = Rows.of(
        SFTRow, [row("x", form.format("50 + 3")), row("y", form.format("3  + 4"))]
    ).through(held_out)
    assert [r.completion for r in kept] == ["x"]
    assert held_out.report.dropped == {"exact": 1}


def test_a_short_held_out_text_is_found_as_a_whole_and_not_inside_of_others() -> None:
    held_out = HeldOut(["6 * 7"])
    rows = [row("As 6 * 7 is 42.", "What?"), row("x", "6*7")]
    assert [r.completion for r in Rows.of(SFTRow, rows).through(held_out)] == ["As 6 * 7 is 42."]


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), st.data())
def test_no_held_out_problem_passes(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    around = data.draw(st.sampled_from(["{}", "Problem: {}", "{}\n\nThink step by step."]))
    spaced = data.draw(st.sampled_from([text, text.upper(), text.replace(" ", "  \n")]))
    seen = row("x", spaced, shown=around.format(spaced))
    assert list(Rows.of(SFTRow, [seen]).through(HeldOut([text]))) == []


def test_nothing_held_out_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="held-out"):
        HeldOut([])
