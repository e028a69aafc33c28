import math
import random
from collections import Counter

import pytest
import torch

from cogitate.inference import Message, Request, Sampling
from cogitate.inference.hf.sampling import draw, random_source

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))


def frequencies(sampling: Sampling, times: int = 4000) -> dict[int, float]:
    source = random.Random(0)
    drawn = draw(LOGITS.repeat(times, 1), [sampling] * times, [source] * times)
    return {token: count / times for token, count in Counter(drawn.tokens).items()}


def test_tokens_come_as_often_as_their_probability_says() -> None:
    found = frequencies(Sampling(temperature=1.0))
    for token, probability in enumerate((0.5, 0.3, 0.15, 0.05)):
        assert found[token] == pytest.approx(probability, abs=0.03)


def test_temperature_sharpens_by_the_formula() -> None:
    # p^2 / sum(p^2) = .25, .09, .0225, .0025 over .365
    found = frequencies(Sampling(temperature=0.5))
    assert found[0] == pytest.approx(0.25 / 0.365, abs=0.03)
    assert found[1] == pytest.approx(0.09 / 0.365, abs=0.03)


def test_top_k_and_top_p_leave_the_tail_out() -> None:
    assert set(frequencies(Sampling(temperature=1.0, top_k=2))) == {0, 1}
    assert set(frequencies(Sampling(temperature=1.0, top_p=0.8))) == {0, 1}
    assert set(frequencies(Sampling(temperature=1.0, top_p=0.81))) == {0, 1, 2}
    assert set(frequencies(Sampling(temperature=1.0, top_p=0.01))) == {0}
    assert set(frequencies(Sampling(temperature=1.0, top_k=3, top_p=0.85))) == {0, 1, 2}


def test_log_probs_are_over_the_whole_vocabulary_at_the_temperature() -> None:
    hot, greedy, cut = draw(
        LOGITS.repeat(3, 1),
        [Sampling(temperature=0.5), Sampling(temperature=0), Sampling(temperature=0.5, top_k=1)],
        [random.Random(0)] * 3,
    ).logprobs
    assert greedy == pytest.approx(math.log(0.5), abs=1e-6)
    assert cut == pytest.approx(math.log(0.25 / 0.365), abs=1e-6)
    assert any(hot == pytest.approx(math.log(p * p / 0.365), abs=1e-5) for p in (0.5, 0.3, 0.15))


def test_hardly_any_temperature_is_greedy_and_not_an_overflow() -> None:
    drawn = draw(LOGITS, [Sampling(temperature=1e-30)], [random.Random(0)])
    assert drawn.tokens == [0]
    assert drawn.logprobs == pytest.approx([0.0])


def test_a_random_source_depends_on_the_seed_and_the_place_alone() -> None:
    def first(seed: int | None, problem: str, position: str, number: int) -> float:
        request = Request(
            messages=(Message("user", "a"),), seed=seed, problem=problem, position=position
        )
        return random_source(request, number).random()

    assert first(1, "p", "a", 0) == first(1, "p", "a", 0)
    others = {
        first(1, "p", "a", 0),
        first(2, "p", "a", 0),
        first(1, "q", "a", 0),
        first(1, "p", "b", 0),
        first(1, "p", "a", 1),
        first(None, "p", "a", 0),
        first(None, "p", "a", 0),
    }
    assert len(others) == 7
