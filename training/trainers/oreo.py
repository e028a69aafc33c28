"""OREO: a policy and its value model from kept solutions and their outcomes.

The objective is in `cogitate.training.objectives.oreo`. The value model is a network of its own
with a token-classification head of one label: saved, it is a process reward model, so
`cg.Verifier("hf/FOLDER", method="reward")` makes `cg.BeamSearch` the paper's value-guided search.
Such an engine gives sigmoid(V), which orders partial solutions as V does.

The reference is the policy as training begins. Departures: the value model begins with V = 0
everywhere, and learns that the state after the last action is worth the outcome, so that it can
judge finished solutions; both models learn at the same time by one optimiser.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import Field
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel

from cogitate.errors import ConfigError
from cogitate.inference.hf.load import ONE_AT_A_TIME
from cogitate.training.described import described
from cogitate.training.objectives import (
    exact_kl,
    oreo_policy_loss,
    oreo_value_loss,
    step_log_ratios,
)
from cogitate.training.rows import StepRow
from cogitate.training.trainers.offline import (
    OfflineSettings,
    Responses,
    fit,
    keep,
    log_ratios,
)
from cogitate.training.trainers.policy.batch import Inputs, Scored
from cogitate.training.trainers.policy.model import LanguagePolicy, load_policy
from cogitate.training.trainers.policy.policy import Predicted
from cogitate.training.trainers.reporters import reporting
from cogitate.training.trainers.weights import Start

__all__ = ["OREOSettings", "OREOTrained", "train_oreo"]


class OREOSettings(OfflineSettings):
    """How to learn from outcomes."""

    level: Literal["token", "step"] = "token"
    """What an action is."""
    beta: float = Field(default=0.03, gt=0)
    """Weight of the distance to the reference."""
    kl_weight: float = Field(default=0.01, ge=0)
    """Of KL(pi || pi_ref), over the whole vocabulary, in the policy's loss: the paper's alpha."""


class OREOTrained(NamedTuple):
    """What training came to."""

    policy: Path
    """A PEFT folder (or, with all weights, a model's): give it as `adapter=` to an agent."""
    value: Path
    """A model's folder, whole: give it to a `Verifier`."""
    losses: list[float]
    """Of policy and value model together, one for each step."""
    rows: int
    left_out: dict[str, int]
    """Rows that were not learned from, by reason."""
    seconds: float


class _Solution(NamedTuple):
    scored: Scored
    ends: tuple[int, ...]
    """The place of each step's last token."""
    reward: float


class _Pair(torch.nn.Module):
    """Policy and value model as one module: their gradients do not meet."""

    def __init__(self, policy: LanguagePolicy, value: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.policy, self.head = policy, value

    def forward(self, inputs: Inputs) -> Predicted:
        places = (inputs.attention_BL.cumsum(1) - 1).clamp(min=0)
        output = self.head(
            input_ids=inputs.ids_BL, attention_mask=inputs.attention_BL, position_ids=places
        )
        values_BU = output.logits[:, -(inputs.tokens + 1) :, 0].float()
        return Predicted(self.policy(inputs).logits_BTV, values_BU)

    def reference(self, inputs: Inputs) -> Tensor:
        return self.policy.reference(inputs)


@described(
    "oreo",
    paper="Wang et al. 2024, arXiv:2412.16145",
    needs="`StepRow`s with a grade, and token ids of every step",
    costs="passes of policy, reference and a value model, which is a second model in memory",
    pays=(
        "where kept solutions are right or wrong and unpaired; its value model guides a beam search"
    ),
)
def train_oreo(
    rows: Sequence[StepRow],
    base: str,
    output: Path,
    settings: OREOSettings | None = None,
    *,
    adapter: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> OREOTrained:
    """Train a policy and a value model on solutions in steps.

    Args:
        rows: Solutions with the token ids of every step. Those without a grade are left out.
        base: A model's name, such as `hf/smollm2-135m`, or its folder.
        output: `output/policy` and `output/value` are replaced once training has ended well.
        settings: How to train.
        adapter: An adapter for the policy to go on with; it is the reference then.
        on_step: Called with the steps done and the steps in all.

    Raises:
        ConfigError: Nothing to learn from, or steps without token ids.
    """
    settings = settings or OREOSettings()
    start, began = Start.at(base, adapter), time.perf_counter()
    folder = start.folder
    units, left_out = _solutions(rows, Responses(folder), settings)
    if not units:
        raise ConfigError(f"no solutions to train on ({left_out}): give some that were graded")
    accelerator = reporting(settings.report_to, output)
    policy = load_policy(
        folder, rank=settings.rank, seed=settings.seed, values=False, adapter=adapter
    )
    both = _Pair(policy, _value_model(folder, settings))

    def loss(forward: Callable[..., Predicted], some: Sequence[_Solution]) -> Tensor:
        return _loss(forward, both, some, settings)

    losses = fit(both, units, loss, settings, accelerator, on_step=on_step)

    def save_value(where: Path) -> None:
        value = both.head.merge_and_unload() if isinstance(both.head, PeftModel) else both.head
        value.save_pretrained(str(where))
        AutoTokenizer.from_pretrained(folder).save_pretrained(str(where))

    for name, save in (("policy", policy.save), ("value", save_value)):
        seconds = keep(
            output / name,
            save,
            start=start if name == "policy" else Start.at(base),
            method=f"oreo-{name}",
            settings=settings,
            rows=[unit.scored for unit in units],
            losses=losses,
            accelerator=accelerator,
            began=began,
        )
    return OREOTrained(output / "policy", output / "value", losses, len(units), left_out, seconds)


def _loss(
    forward: Callable[..., Predicted],
    both: _Pair,
    some: Sequence[_Solution],
    settings: OREOSettings,
) -> Tensor:
    found = log_ratios(forward, both, [one.scored for one in some])
    mask_BT, values_BU = found.batch.mask_BT, found.predicted.values_BU
    rewards_B = torch.tensor([one.reward for one in some], device=mask_BT.device)
    assert values_BU is not None
    ends = [one.ends if settings.level == "step" else range(len(one.scored.ids)) for one in some]
    values_BU, ratios_BS = _by_actions(values_BU, found.ratios_BT, ends)
    actions_B = torch.tensor([len(one) for one in ends], device=mask_BT.device)
    states_U = torch.arange(values_BU.shape[1], device=mask_BT.device)
    # The state after the last action is one more, with nothing to come.
    value = oreo_value_loss(
        values_BU,
        torch.nn.functional.pad(ratios_BS, (0, 1)),
        rewards_B,
        states_U <= actions_B.unsqueeze(1),
        beta=settings.beta,
    )
    policy = oreo_policy_loss(
        values_BU[:, :-1],
        ratios_BS,
        rewards_B,
        states_U[:-1] < actions_B.unsqueeze(1),
        beta=settings.beta,
    )
    kl_BT = exact_kl(found.predicted.logits_BTV, found.reference_BTV)
    kl_B = torch.where(mask_BT, kl_BT, 0.0).sum(1) / mask_BT.sum(1)
    return value + policy + settings.kl_weight * kl_B.mean()


def _by_actions(
    values_BU: Tensor, ratios_BT: Tensor, ends: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Return the values before each action and after the last, and the log-ratio of each."""
    most = max(map(len, ends))
    actions_BT = torch.full(ratios_BT.shape, -1)
    begins_BU = torch.zeros(len(ends), most + 1, dtype=torch.long)
    for b, of_row in enumerate(ends):
        begin = 0
        for number, end in enumerate(of_row):
            actions_BT[b, begin : end + 1] = number
            begin = end + 1
            begins_BU[b, number + 1] = begin
    device = values_BU.device
    return (
        values_BU.gather(1, begins_BU.to(device)),
        step_log_ratios(ratios_BT, actions_BT.to(device), most),
    )


def _solutions(
    rows: Sequence[StepRow], responses: Responses, settings: OREOSettings
) -> tuple[list[_Solution], dict[str, int]]:
    units, left_out = [], {"no grade": 0, "too long": 0}
    for row in rows:
        prompt = responses.prompt(row.messages, row.prefix, row.prompt_ids)
        ids: list[int] = []
        ends = []
        for step in row.steps:
            if not step.ids:
                raise ConfigError(
                    f"the step of thought {step.thought} has no token ids: leave its row out"
                )
            ids += step.ids
            ends.append(len(ids) - 1)
        if row.grade is None:
            left_out["no grade"] += 1
        elif len(prompt) + len(ids) > settings.max_tokens:
            left_out["too long"] += 1
        else:
            units.append(_Solution(responses.ids(prompt, tuple(ids)), tuple(ends), row.grade))
    return units, left_out


def _value_model(folder: Path, settings: OREOSettings) -> PreTrainedModel | PeftModel:
    model: PreTrainedModel | PeftModel
    with ONE_AT_A_TIME:
        base, found = AutoModelForTokenClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            num_labels=1,
            use_safetensors=True,
            output_loading_info=True,
        )
    with torch.no_grad():
        for name in found["missing_keys"]:  # the head, which is new
            base.get_parameter(name).zero_()
    base.config.use_cache = False
    model = base
    if settings.rank is not None:
        torch.manual_seed(settings.seed)
        lora = LoraConfig(
            r=settings.rank,
            lora_alpha=2 * settings.rank,
            target_modules="all-linear",
            exclude_modules=[name.rpartition(".")[0] for name in found["missing_keys"]],
            task_type="TOKEN_CLS",  # so the whole head learns
        )
        model = get_peft_model(base, lora)
    model.train(False)
    return model
