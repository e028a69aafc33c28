"""Which weights are trained: all of them, or those of an adapter that PEFT puts beside them.

LoRA (Hu et al. 2021, arXiv:2106.09685), on a base of four or eight bits QLoRA (Dettmers et al.
2023, 2305.14314); AdaLoRA (Zhang et al. 2023, 2303.10512), which moves ranks to where they matter
while it trains; prefix tuning (Li and Liang 2021, 2101.00190) and prompt tuning (Lester et al.
2021, 2104.08691), which train vectors before the prompt. Engines mix plain LoRA adapters in one
batch; the others are for trainers and for merging.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogitate.errors import ConfigError
from cogitate.training.described import described

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import BitsAndBytesConfig, TrainerCallback

__all__ = [
    "AdaLoRA",
    "Adapter",
    "FullWeights",
    "LoRA",
    "PrefixTuning",
    "PromptTuning",
    "allocation",
    "peft_config",
    "quantisation",
]

Bits = Literal[4, 8]
Task = Literal["CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS"]


class _Choice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@described(
    "full",
    needs="memory for weights, gradients and two moments of each",
    costs="about four times the memory of the weights; engines load a whole model anew",
    pays="for new tokens, and for small models",
)
class FullWeights(_Choice):
    """Every weight of the model."""

    kind: Literal["full"] = "full"


@described(
    "lora",
    paper="Hu et al. 2021, arXiv:2106.09685; `bits`: QLoRA, Dettmers et al. 2023, arXiv:2305.14314",
    needs="linear layers; with `bits` the package bitsandbytes",
    costs="the weights in memory (a quarter or less of float32 with `bits`), and little more",
    pays="nearly always: one engine wears the adapters of all roles at once",
)
class LoRA(_Choice):
    """A product of two thin matrices beside each linear layer."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=32, ge=1)
    scale: float = Field(default=2.0, gt=0)
    """What the product is multiplied with: alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers: tuple[str, ...] | None = None
    """The names of the layers, such as `q_proj`; None: every linear layer but the head."""
    bits: Bits | None = None
    """Hold the base in 4 (NF4) or 8 bits: QLoRA. Needs the package bitsandbytes."""
    tokens: tuple[int, ...] | None = None
    """Ids whose embeddings are trained as well, such as those of new tokens. Engines wear no such
    adapter: merge it into its base (see `merge`)."""


@described(
    "adalora",
    paper="Zhang et al. 2023, arXiv:2303.10512",
    needs="a training in one go, of a known number of steps",
    costs="as LoRA, at the first rank; engines do not wear it: merge it",
    pays="where the rank must be low and layers differ in what they need",
)
class AdaLoRA(_Choice):
    """LoRA that prunes the singular values that matter least, down to a mean rank."""

    kind: Literal["adalora"] = "adalora"
    start_rank: int = Field(default=12, ge=1)
    rank: int = Field(default=8, ge=1)
    """The mean rank at the end."""
    scale: float = Field(default=2.0, gt=0)
    begin: float = Field(default=0.1, ge=0, lt=1)
    """The part of all steps before ranks change."""
    settle: float = Field(default=0.3, gt=0, lt=1)
    """The part of all steps, at the end, in which they change no more."""
    layers: tuple[str, ...] | None = None


@described(
    "prefix",
    paper="Li and Liang 2021, arXiv:2101.00190",
    needs="a model with a key-value cache",
    costs="the fewest weights of all layers; a longer context in each pass; it cannot be merged",
    pays="to compare with: in the paper of LoRA that does better with as many weights",
)
class PrefixTuning(_Choice):
    """Trained keys and values before the prompt, in every layer."""

    kind: Literal["prefix"] = "prefix"
    tokens: int = Field(default=16, ge=1)


@described(
    "prompt",
    paper="Lester et al. 2021, arXiv:2104.08691",
    needs="a large model: in the paper small ones fall far behind full weights",
    costs="a few embeddings; a longer context in each pass; it cannot be merged",
    pays="to compare with; with large models and very little memory",
)
class PromptTuning(_Choice):
    """Trained embeddings before the prompt."""

    kind: Literal["prompt"] = "prompt"
    tokens: int = Field(default=16, ge=1)


Adapter = Annotated[
    FullWeights | LoRA | AdaLoRA | PrefixTuning | PromptTuning, Field(discriminator="kind")
]


def peft_config(
    adapter: Adapter, task: Task, *, steps: int, tables: Sequence[str] = ("embed_tokens",)
) -> "PeftConfig | None":
    """Return what PEFT makes the adapter from; None for full weights.

    Args:
        adapter: The choice.
        task: What the model is for; the new head of a classifier is trained as well.
        steps: All steps of the training, which AdaLoRA plans with.
        tables: The layers whose rows are tokens: the head as well, where it has its own.

    Raises:
        ConfigError: AdaLoRA has too few steps, or a lower rank to start with than to end with.
    """
    from peft import AdaLoraConfig, LoraConfig, PrefixTuningConfig, PromptTuningConfig

    head = None if task == "CAUSAL_LM" else ["score"]
    match adapter:
        case FullWeights():
            return None
        case LoRA():
            return LoraConfig(
                r=adapter.rank,
                lora_alpha=round(adapter.scale * adapter.rank),
                lora_dropout=adapter.dropout,
                target_modules=_layers(adapter.layers),
                task_type=task,
                modules_to_save=head,
                trainable_token_indices={table: list(adapter.tokens) for table in tables}
                if adapter.tokens
                else None,
            )
        case AdaLoRA():
            if adapter.start_rank < adapter.rank or steps < 4:
                raise ConfigError(
                    f"AdaLoRA prunes from start_rank={adapter.start_rank} to rank={adapter.rank} "
                    f"in {steps} steps: give a start_rank above rank, and at least 4 steps"
                )
            begin = int(adapter.begin * steps)
            return AdaLoraConfig(
                init_r=adapter.start_rank,
                target_r=adapter.rank,
                lora_alpha=round(adapter.scale * adapter.start_rank),
                total_step=steps,
                tinit=begin,
                tfinal=min(max(1, int(adapter.settle * steps)), steps - begin - 2),
                deltaT=1,
                target_modules=_layers(adapter.layers),
                task_type=task,
                modules_to_save=head,
            )
        case PrefixTuning():
            return PrefixTuningConfig(num_virtual_tokens=adapter.tokens, task_type=task)
        case PromptTuning():
            return PromptTuningConfig(num_virtual_tokens=adapter.tokens, task_type=task)


def quantisation(adapter: Adapter) -> "BitsAndBytesConfig | None":
    """Return how the base is held in memory; None: as it was saved, in float32.

    Raises:
        ConfigError: bitsandbytes is not installed.
    """
    if not isinstance(adapter, LoRA) or adapter.bits is None:
        return None
    if find_spec("bitsandbytes") is None:
        raise ConfigError("LoRA(bits=...) needs bitsandbytes: pip install bitsandbytes")
    import torch
    from transformers import BitsAndBytesConfig

    make: Callable[..., BitsAndBytesConfig] = BitsAndBytesConfig  # no annotations there
    if adapter.bits == 8:
        return make(load_in_8bit=True)
    return make(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
    )


def allocation() -> "TrainerCallback":
    """Return the callback by which AdaLoRA's ranks really move; no trainer calls it by itself."""
    import torch
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Allocation(TrainerCallback):
        def on_optimizer_step(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            model: torch.nn.Module | None = None,
            **kwargs: object,
        ) -> None:
            # The gradients are still there: importance is weight times gradient.
            for part in model.modules() if model is not None else ():
                allocate = getattr(type(part), "update_and_allocate", None)  # PEFT's AdaLoraModel
                if allocate is not None:
                    allocate(part, state.global_step + 1)
                    return

    return Allocation()


def _layers(names: tuple[str, ...] | None) -> str | list[str]:
    return "all-linear" if names is None else list(names)
