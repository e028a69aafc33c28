"""Chains to tune a format on: own words, no needless approach, no kind that drowns the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.graphs import Source
from cogitate.graphs.coat_text import Action, Meta, parse_coat, write_coat
from cogitate.training.coat_chains import (
    ChainChoice,
    ChainKind,
    after_mistakes,
    choose_chains,
    kind_of_chain,
)
from cogitate.training.rows import SFTRow

CONTINUE, REFLECT, EXPLORE = Meta


def row(problem: str, *actions: tuple[Meta, str]) -> SFTRow:
    text = write_coat([Action(*action) for action in actions])
    return SFTRow(
        problem=problem, question=f"Question {problem}?", thought="t.0", role="generator",
        agent="generator", operation="coat", messages=(), completion=text, source=Source(""),
        grade=1.0,
    )  # fmt: skip


def reflects(problem: str, words: str) -> SFTRow:
    return row(problem, (CONTINUE, "41\n"), (REFLECT, words), (CONTINUE, "Answer: 42"))


def test_a_sentence_that_comes_again_with_other_numbers_is_templated() -> None:
    rows = [reflects(f"p{i}", f"The sum {i} is not {i + 1}.\n") for i in range(5)]
    kept = choose_chains([*rows, reflects("q", "I forgot to carry.\n")], ChainChoice(per_wording=2))
    assert [one.problem for one in kept.rows] == ["p0", "p1", "q"]
    assert (kept.counts["templated"], kept.counts["kept"], kept.counts["chains"]) == (3, 3, 6)


def test_an_approach_that_is_left_although_it_was_right_is_needless() -> None:
    turn = (REFLECT, "Hm, no.\n"), (EXPLORE, "6 * 7.\nAnswer: 42")
    needless = row("p", (CONTINUE, "Answer: 42\n"), *turn)
    needed = row("q", (CONTINUE, "Answer: 41\n"), *turn)
    checked = row("r", (CONTINUE, "Answer: 42\n"), (REFLECT, "It is.\n"), (CONTINUE, "Answer: 42"))
    kept = choose_chains([needless, needed, checked])
    assert [one.problem for one in kept.rows] == ["q", "r"]
    assert kept.counts["needless"] == 1


def test_a_problem_and_a_text_count_only_so_often() -> None:
    rows = [reflects("p", words) for words in ("One.\n", "One.\n", "Two.\n", "Three.\n")]
    kept = choose_chains(rows, ChainChoice(per_problem=2))
    assert [parse_coat(one.completion)[1].text for one in kept.rows] == ["One.\n", "Two.\n"]
    assert (kept.counts["duplicates"], kept.counts["capped"]) == (1, 1)


def test_chains_that_only_go_on_are_cut_to_a_multiple_of_those_that_turn() -> None:
    plain = [row(f"p{i}", (CONTINUE, f"Answer: {i}")) for i in range(9)]
    explores = row("q", (CONTINUE, "No\n"), (EXPLORE, "Answer: 1"))
    turning = [reflects("r", "No.\n"), reflects("s", "Wrong sign.\n"), explores]
    kept = choose_chains([*plain, *turning], ChainChoice(plain=(1, 1.5)))
    kinds = [kept.counts[name] for name in ("plain", "reflects", "explores", "balanced")]
    assert kinds == [4, 2, 1, 5]
    few = choose_chains([*plain[:1], *turning], ChainChoice(plain=(0.5, 2)))
    assert (few.counts["plain"], few.counts["balanced"], few.counts["kept"]) == (1, 1, 3)
    rare = choose_chains([*plain, *turning], ChainChoice(plain=(0.5, 0.5)))
    assert (rare.counts["plain"], rare.counts["kept"]) == (1, 3)
    one = choose_chains([*plain, turning[0]], ChainChoice(plain=(0.5, 0.5)))
    assert (one.counts["plain"], one.counts["kept"]) == (1, 2)
    with pytest.raises(ValueError, match="the least first"):
        ChainChoice(plain=(2, 1))
    assert len(choose_chains(turning).rows) == 3
    assert choose_chains([]).rows == []


def test_mistakes_are_given_and_what_follows_them_is_learned() -> None:
    wrong = ((CONTINUE, "Answer: 41"), (REFLECT, "No.\n"), (EXPLORE, "Answer: 40"))
    mended = ((REFLECT, "Still not.\n"), (EXPLORE, "6 * 7 <|reflect|>\n"), (CONTINUE, "Answer: 42"))
    whole = row("p", *wrong, *mended).model_copy(
        update={"prompt_ids": (1,), "completion_ids": (2,), "logprobs": (-0.5,)}
    )
    cut = after_mistakes(whole)
    assert cut.prefix == "<|continue|>Answer: 41<|reflect|>No.\n<|explore|>Answer: 40"
    assert parse_coat(cut.completion) == list(mended)
    assert cut.prefix + cut.completion == whole.completion
    assert (cut.prompt_ids, cut.completion_ids, cut.logprobs) == (None, None, None)
    for right in (row("p", (CONTINUE, "Answer: 42"), (REFLECT, "Yes.\n")), row("p", *mended)):
        assert after_mistakes(right) is right


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Meta))), max_size=30))
def test_every_chain_is_kept_or_counted(chains: list[tuple[str, Meta]]) -> None:
    rows = [
        row(name, (CONTINUE, "1\n"), (meta, f"{name}{i}")) for i, (name, meta) in enumerate(chains)
    ]
    kept = choose_chains(rows, ChainChoice(per_problem=3, per_wording=1, plain=(1, 1)))
    left = ("templated", "needless", "duplicates", "capped", "balanced", "kept")
    assert sum(kept.counts.get(name, 0) for name in left) == len(rows) == kept.counts["chains"]
    kinds = [kind_of_chain(parse_coat(one.completion)) for one in kept.rows]
    turning = sum(kind is not ChainKind.PLAIN for kind in kinds)
    assert turning == len(kinds) or not turning or 2 * turning == len(kinds)
