"""A language model as a policy: logits and values of completions, and the reference's logits.

LoRA: policy and reference share one base; the reference is the adapter that training began with, or
a named one, or the base with every adapter off. All weights: the reference is loaded a second time
from its folder. A model that training has touched is never copied.

The network stays in evaluation mode: dropout would make the ratio of a policy to itself differ
from 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTuner
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from cogitate.errors import ConfigError
from cogitate.inference.hf.load import ONE_AT_A_TIME
from cogitate.training.trainers.policy.batch import Inputs
from cogitate.training.trainers.policy.policy import Predicted

__all__ = ["LanguagePolicy", "ValueHead", "load_policy"]

_REFERENCE = "reference"
_HEAD_FILE = "value_head.safetensors"


class ValueHead(torch.nn.Module):
    """A linear value of each hidden state. It begins with 0 everywhere."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(hidden, 1)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the value of each hidden state."""
        value: Tensor = self.linear(hidden.float()).squeeze(-1)
        return value

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors."""
        save_file(
            {name: one.contiguous() for name, one in self.state_dict().items()}, folder / _HEAD_FILE
        )

    def load(self, folder: Path) -> None:
        """Read them again.

        Raises:
            ConfigError: The folder has no value head.
        """
        if not (folder / _HEAD_FILE).is_file():
            raise ConfigError(f"{folder} has no {_HEAD_FILE}: give a folder trained with values")
        self.load_state_dict(load_file(folder / _HEAD_FILE))


class LanguagePolicy(torch.nn.Module):
    """A causal language model, an optional value head, and a reference.

    Args:
        model: With or without adapters.
        head: Reads the last hidden state.
        frozen: The reference of a model whose every weight learns; None: an adapter's, see module.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        head: ValueHead | None = None,
        frozen: PreTrainedModel | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.head = head
        self._frozen = [frozen]  # in a list: it is no part of what learns, is moved or is saved

    def forward(self, inputs: Inputs) -> Predicted:
        """Return logits and values of the last `inputs.tokens` columns."""
        return _predict(self.model, inputs, self.head)

    def reference(self, inputs: Inputs) -> Tensor:
        """Return the reference's logits of the last `inputs.tokens` columns, no gradient."""
        with torch.no_grad():
            [frozen] = self._frozen
            if frozen is not None:
                torch.nn.Module.to(frozen, inputs.ids_BL.device)
                return _predict(frozen, inputs, None).logits_BTV
            with self._wearing_reference():
                return _predict(self.model, inputs, None).logits_BTV

    def save(self, folder: Path) -> None:
        """Write adapter or model, and value head, into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self.model, PeftModel):
            self.model.save_pretrained(str(folder), selected_adapters=["default"])
        else:
            self.model.save_pretrained(str(folder))
        if self.head is not None:
            self.head.save(folder)

    @contextmanager
    def _wearing_reference(self) -> Iterator[None]:
        if not isinstance(self.model, PeftModel):
            raise ConfigError("this policy has no reference: load it with one")
        if _REFERENCE not in self.model.peft_config:
            with self.model.disable_adapter():
                yield
            return
        _wear(self.model, _REFERENCE)
        try:
            yield
        finally:
            _wear(self.model, "default")


def load_policy(
    folder: Path,
    *,
    rank: int | None,
    seed: int,
    values: bool,
    adapter: Path | None = None,
    reference: Path | None = None,
    has_reference: bool = True,
) -> LanguagePolicy:
    """Load a policy.

    Args:
        folder: The base model.
        rank: Of a new LoRA adapter, see `PolicyGradientSettings`; None: all weights learn.
        seed: For what begins with random numbers.
        values: Whether there is a value head; that of `adapter` where it has one.
        adapter: An adapter to go on with.
        reference: The reference: an adapter's folder, or with all weights a model's. None: the
            policy as training begins.
        has_reference: Whether it is needed at all.

    Raises:
        ConfigError: An adapter where all weights learn.
    """
    base = _load(folder)
    torch.manual_seed(seed)
    model: PreTrainedModel | PeftModel = base
    frozen = None
    if rank is None:
        if adapter is not None:
            raise ConfigError("rank=None trains all weights: merge the adapter into a model first")
        if has_reference:
            frozen = _load(reference or folder).requires_grad_(False)
    elif adapter is None:
        lora = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        model = get_peft_model(base, lora)
    else:
        model = PeftModel.from_pretrained(base, str(adapter), is_trainable=True)
    other = reference or adapter
    if has_reference and isinstance(model, PeftModel) and other is not None:
        model.load_adapter(str(other), _REFERENCE, is_trainable=False)
        _wear(model, "default")
    model.train(False)
    head = ValueHead(base.config.get_text_config().hidden_size) if values else None
    if head is not None and adapter is not None and (adapter / _HEAD_FILE).is_file():
        head.load(adapter)
    return LanguagePolicy(model, head, frozen)


def _load(folder: Path) -> PreTrainedModel:
    try:
        with ONE_AT_A_TIME:
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True
            )
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load {folder}: {error}") from error
    model.config.use_cache = False
    model.train(False)
    return model


def _wear(model: PeftModel, name: str) -> None:
    """Switch adapters; only `default` learns."""
    tuner = model.base_model
    assert isinstance(tuner, BaseTuner)
    tuner.set_adapter(name, inference_mode=name != "default")


def _predict(
    model: PreTrainedModel | PeftModel, inputs: Inputs, head: ValueHead | None
) -> Predicted:
    places = (inputs.attention_BL.cumsum(1) - 1).clamp(min=0)
    output = model(
        input_ids=inputs.ids_BL,
        attention_mask=inputs.attention_BL,
        position_ids=places,
        logits_to_keep=inputs.tokens + 1,
        output_hidden_states=head is not None,
        use_cache=False,
    )
    values_BU = None
    if head is not None:
        values_BU = head(output.hidden_states[-1][:, -(inputs.tokens + 1) :])
    return Predicted(output.logits[:, :-1], values_BU)
