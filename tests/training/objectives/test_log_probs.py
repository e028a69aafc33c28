"""Log-probabilities, entropy, distances and how token losses are averaged, by hand."""

import math

import pytest
import torch
from torch import Tensor

from cogitate.errors import ConfigError
from cogitate.training.objectives import (
    exact_kl,
    k1,
    k3,
    token_entropy,
    token_log_probs,
    token_weights,
)

# exp of these are 1, 2, 3: probabilities 1/6, 1/3, 1/2.
LOGITS_111V = torch.log(torch.tensor([[[1.0, 2.0, 3.0]]]))


def test_a_token_has_the_log_of_its_share() -> None:
    found = [token_log_probs(LOGITS_111V, torch.tensor([[v]])).exp().item() for v in range(3)]
    assert found == pytest.approx([1 / 6, 1 / 3, 1 / 2])


def test_temperature_divides_the_logits() -> None:
    # At temperature 1/2 the shares are 1, 4, 9 of 14.
    [[log_p]] = token_log_probs(LOGITS_111V, torch.tensor([[2]]), temperature=0.5).tolist()
    assert math.exp(log_p) == pytest.approx(9 / 14)
    [[entropy]] = token_entropy(LOGITS_111V, temperature=0.5).tolist()
    assert entropy == pytest.approx(-sum(n / 14 * math.log(n / 14) for n in (1, 4, 9)))


def test_the_gradient_of_a_log_probability_is_one_hot_less_probabilities() -> None:
    logits = LOGITS_111V.clone().requires_grad_()
    [gradient] = torch.autograd.grad(
        token_log_probs(logits, torch.tensor([[0]]), temperature=2.0).sum(), logits
    )
    shares = [math.sqrt(n) for n in (1, 2, 3)]
    by_hand = [((v == 0) - share / sum(shares)) / 2 for v, share in enumerate(shares)]
    assert gradient.flatten().tolist() == pytest.approx(by_hand)


def test_sixteen_bits_are_widened_before_they_are_subtracted() -> None:
    assert token_log_probs(LOGITS_111V.bfloat16(), torch.tensor([[0]])).dtype == torch.float32


def test_exact_kl_by_hand() -> None:
    even = torch.zeros(1, 1, 3)
    expected = sum(p * math.log(3 * p) for p in (1 / 6, 1 / 3, 1 / 2))
    assert exact_kl(LOGITS_111V, even).item() == pytest.approx(expected)
    assert exact_kl(even, even).item() == pytest.approx(0, abs=1e-7)


def test_both_estimates_of_kl_are_unbiased_and_only_k3_is_never_negative() -> None:
    p = torch.tensor([1 / 6, 1 / 3, 1 / 2], dtype=torch.float64)
    q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    true = float((p * (p / q).log()).sum())
    for estimate in (k1, k3):
        assert float((p * estimate(p.log(), q.log())).sum()) == pytest.approx(true)
    assert k1(p.log(), q.log()).min() < 0 <= k3(p.log(), q.log()).min()
    assert k3(torch.tensor(0.0), torch.tensor(math.log(2.0))).item() == pytest.approx(
        2 - math.log(2) - 1
    )


def test_the_gradient_of_k3_is_that_of_the_kl_where_it_was_sampled() -> None:
    """E_pi[grad k3] equals the gradient of KL(pi_ref || pi) = E_ref[-grad log pi], by autograd."""
    logits = torch.tensor([0.1, -0.4, 0.7], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.5, 0.2, -0.3], dtype=torch.float64).log_softmax(0)
    log_p = logits.log_softmax(0)
    [ours] = torch.autograd.grad((log_p.exp().detach() * k3(log_p, reference)).sum(), logits)
    independent = (reference.exp() * (reference - logits.log_softmax(0))).sum()
    [expected] = torch.autograd.grad(independent, logits)
    assert torch.allclose(ours, expected)


MASK_BT = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
LOSSES_BT = torch.tensor([[2.0, 4.0, 99.0, 99.0], [1.0, 1.0, 1.0, 5.0]])


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("response", (3 + 2) / 2),
        ("token", 14 / 6),
        ("constant", (6 + 8) / 8 / 2),
        ("sum", (6 + 8) / 2),
    ],
)
def test_means_of_token_losses_by_hand(normalisation: str, expected: float) -> None:
    weights_BT = token_weights(MASK_BT, normalisation, limit=8)  # type: ignore[arg-type]
    assert float((LOSSES_BT * weights_BT).sum()) == pytest.approx(expected)


@pytest.mark.parametrize("normalisation", ["response", "token", "constant", "sum"])
def test_parts_of_a_batch_add_up_to_the_whole(normalisation: str) -> None:
    def total(rows: Tensor) -> float:
        weights_BT = token_weights(
            MASK_BT[rows],
            normalisation,  # type: ignore[arg-type]
            responses=2,
            tokens=6,
            limit=8,
        )
        return float((LOSSES_BT[rows] * weights_BT).sum())

    parts = total(torch.tensor([0])) + total(torch.tensor([1]))
    assert parts == pytest.approx(total(torch.tensor([0, 1])))


def test_rows_without_tokens_are_no_responses() -> None:
    padded = torch.cat([MASK_BT, torch.zeros(1, 4, dtype=torch.long)])
    assert torch.equal(token_weights(padded, "response")[:2], token_weights(MASK_BT, "response"))


def test_a_constant_needs_a_limit() -> None:
    with pytest.raises(ConfigError, match="limit"):
        token_weights(MASK_BT, "constant")
