"""The weights that training begins with, those it is compared with, and those it leaves behind.

Every stage begins with folders: a base, and perhaps an adapter that is trained on. What the
reference of a stage is follows from them alone: the weights that the stage began with. TRL reloads
the reference of full weights from the folder that the model names, which is wrong for a model that
was changed in memory, so `reference_of` copies the weights as they are instead.

Inside trainers the adapter is called `default`, as TRL needs it; saved, it has no name but that of
its folder, so one base may have one for each role.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cogitate.errors import ConfigError
from cogitate.inference.hf.adapter_files import CONFIG, revision_of
from cogitate.inference.hf.locate import fetch, fingerprint
from cogitate.training.trainers.adapters import (
    AdaLoRA,
    Adapter,
    FullWeights,
    LoRA,
    Task,
    peft_config,
    quantisation,
)
from cogitate.training.trainers.work import first_process

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

__all__ = [
    "Loaded",
    "Start",
    "load",
    "load_policy",
    "padding_of",
    "reference_of",
    "save",
    "tables_of",
    "tokenizer_of",
]

_KINDS = {
    "LORA": "lora",
    "ADALORA": "adalora",
    "PREFIX_TUNING": "prefix",
    "PROMPT_TUNING": "prompt",
}


class Start(NamedTuple):
    """Where training begins."""

    base: str
    """As it was named."""
    folder: Path
    """The base's folder."""
    revision: str
    """Which weights the base's are."""
    adapter: Path | None = None
    """An adapter that is trained on, instead of a new one."""
    adapter_revision: str = ""

    @classmethod
    def at(cls, base: str, adapter: Path | None = None) -> "Start":
        """Find the weights.

        Raises:
            ConfigError: No such model or adapter.
        """
        folder = fetch(base.removeprefix("hf/"))
        if adapter is None:
            return cls(base, folder, fingerprint(folder))
        if not (adapter / CONFIG).is_file():
            raise ConfigError(f"{adapter} holds no adapter to go on with: give one that was saved")
        return cls(base, folder, fingerprint(folder), adapter, revision_of(adapter))

    @property
    def parent(self) -> str:
        """What training begins with, by name or folder: the adapter, or else the base."""
        return self.base if self.adapter is None else str(self.adapter)

    @property
    def parent_revision(self) -> str:
        """Which weights these are."""
        return self.adapter_revision or self.revision


class Loaded(NamedTuple):
    """What a trainer is given."""

    model: "PreTrainedModel | PeftModel"
    new: "PeftConfig | None"
    """The adapter that the trainer puts on the model: without it, the model is the reference."""

    def together(self) -> "PreTrainedModel | PeftModel":
        """Return the model with its new adapter, where it gets one."""
        from peft import get_peft_model
        from transformers import PreTrainedModel

        if self.new is None:
            return self.model
        worn = get_peft_model(self.model, self.new)
        inner = worn.get_base_model()
        assert isinstance(inner, PreTrainedModel)
        head = inner.get_output_embeddings()  # type: ignore[no-untyped-call]
        if head is not None and not hasattr(head, "bias"):
            head.register_parameter("bias", None)  # TRL reads it, and PEFT's tokens hide it
        return worn


def load(
    start: Start, adapter: Adapter, *, steps: int, seed: int, task: Task = "CAUSAL_LM"
) -> Loaded:
    """Load the weights that training begins with.

    Args:
        start: Where it begins.
        adapter: Which weights are trained. With an adapter to go on with, its kind alone counts.
        steps: All steps of the training.
        seed: Of the random numbers that new weights begin with.
        task: What the model is for.

    Raises:
        ConfigError: The adapter is of another kind, or is none where one is to go on with.
    """
    import torch
    import transformers
    from peft import PeftConfig, PeftModel

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(seed)
    options: dict[str, object] = {}
    if task != "CAUSAL_LM":
        options["config"] = config = transformers.AutoConfig.from_pretrained(start.folder)
        config.num_labels, config.classifier_dropout = 1, 0.0  # some heads drop a tenth otherwise
    if (quantised := quantisation(adapter)) is not None:
        options["quantization_config"] = quantised
    make: Callable[..., PreTrainedModel] = {
        "CAUSAL_LM": transformers.AutoModelForCausalLM,
        "SEQ_CLS": transformers.AutoModelForSequenceClassification,
        "TOKEN_CLS": transformers.AutoModelForTokenClassification,
    }[task].from_pretrained
    model = make(start.folder, dtype=torch.float32, use_safetensors=True, **options)
    if start.adapter is not None:
        if isinstance(adapter, FullWeights | AdaLoRA):
            raise ConfigError(
                f"{type(adapter).__name__}() cannot go on with the adapter {start.adapter}: merge "
                "it into its base, and begin with that"
            )
        made = PeftConfig.from_pretrained(str(start.adapter)).peft_type
        kind = _KINDS.get(str(made).rpartition(".")[2], "")
        if kind != adapter.kind:
            raise ConfigError(
                f"{start.adapter} is of kind {kind!r} and the settings ask for {adapter.kind!r}: "
                "set the adapter to the kind that is there, or begin with the base"
            )
        worn = PeftModel.from_pretrained(model, str(start.adapter), is_trainable=True)
        return Loaded(worn, None)
    return Loaded(model, peft_config(adapter, task, steps=steps, tables=list(tables_of(model))))


def load_policy(start: Start) -> "PreTrainedModel":
    """Load the weights that training begins with, to measure with: its adapter merged in."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, PreTrainedModel

    model = AutoModelForCausalLM.from_pretrained(
        start.folder, dtype=torch.float32, use_safetensors=True
    )
    model.train(False)
    if start.adapter is None:
        return model
    worn = PeftModel.from_pretrained(model, str(start.adapter))
    merged = worn.merge_and_unload()  # of the tuner inside
    if not isinstance(merged, PreTrainedModel):
        raise ConfigError(f"{start.adapter} cannot be merged into {start.folder}: use LoRA")
    return merged


def reference_of(model: "PreTrainedModel | PeftModel") -> "PreTrainedModel | None":
    """Return a frozen copy of full weights as they are in memory; None of an adapter.

    Of an adapter the trainers compare with its copy, or without it, in the same model.
    """
    import torch
    from peft import PeftModel

    if isinstance(model, PeftModel):
        return None
    with torch.random.fork_rng():  # a new model draws numbers, and training must not notice
        copied = type(model)(model.config)
    copied.load_state_dict(model.state_dict())
    copied.to(model.device)  # type: ignore[arg-type]  # transformers wraps a method of torch
    copied.requires_grad_(False)
    copied.train(False)
    return copied


def tokenizer_of(start: Start) -> "PreTrainedTokenizerBase":
    """Load the tokenizer of the base, with a token to pad with."""
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    tokenizer = AutoTokenizer.from_pretrained(start.folder)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ConfigError(f"{start.folder} has no tokenizer that can train: save it with one")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def padding_of(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Return the token to pad with.

    Raises:
        ConfigError: There is none.
    """
    pad = tokenizer.pad_token_id
    if not isinstance(pad, int):
        raise ConfigError("the tokenizer has no token to pad with: save it with a pad_token")
    return pad


def save(trainer: "Trainer", start: Start, adapter: Adapter, output: Path) -> None:
    """Save what was trained: the adapter alone, or a whole model with its tokenizer.

    A reward model is always saved whole, the adapter merged into it: so a verifier can load it.

    Raises:
        ConfigError: A reward model whose adapter cannot be merged.
    """
    from peft import PeftModel
    from transformers import PreTrainedModel

    state = trainer.accelerator.get_state_dict(trainer.model)  # gathers shards: on every process
    if not first_process():
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    if isinstance(model, PeftModel):
        if not hasattr(model.get_base_model(), "score"):
            model.save_pretrained(str(output), selected_adapters=["default"], state_dict=state)
            return
        if not isinstance(adapter, LoRA) or adapter.bits is not None:
            raise ConfigError("a reward model is saved whole: train LoRA() or FullWeights()")
        model, state = model.merge_and_unload(), None
    if not isinstance(model, PreTrainedModel):
        raise ConfigError(f"{type(model).__name__} cannot be saved: train a transformers model")
    model.save_pretrained(str(output), state_dict=state)
    for file in start.folder.iterdir():
        belongs = file.suffix in (".json", ".jinja", ".model", ".txt") and "index" not in file.name
        if belongs and file.name != "cogitate.json" and not (output / file.name).exists():
            shutil.copy(file, output)


def tables_of(model: "PreTrainedModel") -> "dict[str, torch.Tensor]":
    """Return the weights whose rows are tokens, by layer: the head's too, where it has its own."""
    import torch

    head: torch.nn.Module | None = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    tables = [one for one in (model.get_input_embeddings(), head) if one is not None]
    found: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        if any(layer is table for table in tables):
            weight = layer.weight
            assert isinstance(weight, torch.Tensor)
            if not any(weight is other for other in found.values()):
                found[name.rpartition(".")[2]] = weight
    return found
