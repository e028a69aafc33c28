"""How vLLM is to run a model: checked at once, and put in vLLM's own words when it starts."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cogitate.errors import ConfigError
from cogitate.inference.vllm.head import architecture
from cogitate.inference.vllm.weights import shapes

__all__ = ["OUTER_LAYERS", "Settings"]

OUTER_LAYERS = frozenset({"embed_tokens", "lm_head", "wte", "wpe", "embed_out", "embed_in"})
"""Layers that adapters may not change on a CPU, by the names they have in models."""

_GIB = 1 << 30
_CPU_BLOCK = 32
"""The smallest block that the CPU build computes at full speed; its own default is 128."""
_CPU_CACHE_GIB = 4.0
_LEAST: dict[str, float] = {
    "context": 2,
    "max_rows": 1,
    "block_tokens": 1,
    "cache_gib": 0.001,
    "tensor_parallel": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """See `VLLM`, whose options these are.

    Raises:
        ConfigError: A value that cannot work.
    """

    dtype: str | None
    context: int | None
    max_rows: int | None
    adapter_slots: int
    adapter_rank: int
    block_tokens: int | None
    cache_gib: float | None
    gpu_memory: float
    tensor_parallel: int
    eager: bool | None

    def __post_init__(self) -> None:
        """Refuse what could not run."""
        if self.dtype not in (None, "float32", "bfloat16", "float16"):
            raise ConfigError(f"dtype={self.dtype!r}: give float32, bfloat16 or float16")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name}={value}: give at least {least:g}")
        if self.adapter_slots < 0:
            raise ConfigError(f"adapter_slots={self.adapter_slots}: give 0 for no adapters")
        if self.adapter_rank not in (8, 16, 32, 64, 128, 256, 320, 512):
            raise ConfigError(
                f"adapter_rank={self.adapter_rank}: vLLM takes 8, 16, 32, 64, 128, 256, 320 or "
                "512; give the next one above the largest rank of your adapters"
            )
        if not 0 < self.gpu_memory <= 1:
            raise ConfigError(f"gpu_memory={self.gpu_memory}: give a share above 0, at most 1")

    def is_eager(self, *, on_cpu: bool) -> bool:
        """Whether nothing is compiled: unless said otherwise, on a CPU, where it takes minutes."""
        return on_cpu if self.eager is None else self.eager

    def options(
        self,
        folder: Path,
        tokenizer: Path,
        *,
        on_cpu: bool,
        rates: Literal["outcome", "process"] | None = None,
    ) -> dict[str, object]:
        """Say by vLLM's names how to run the model of `folder`.

        Args:
            folder: The model folder, with safetensors.
            tokenizer: The folder of its tokenizer.
            on_cpu: Models run on the CPU.
            rates: What a reward model rates; None: a model that writes.
        """
        options: dict[str, object] = {
            "model": str(folder),
            "tokenizer": str(tokenizer),
            "dtype": self.dtype or _saved_dtype(folder),
            "load_format": "safetensors",
            "trust_remote_code": False,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
            "seed": secrets.randbelow(1 << 31),  # vLLM's own is the same at every start
            "enforce_eager": self.is_eager(on_cpu=on_cpu),
            "max_model_len": self.context,
            "max_num_seqs": self.max_rows,
            "block_size": self.block_tokens or (_CPU_BLOCK if on_cpu else None),
            "gpu_memory_utilization": self.gpu_memory,
            "tensor_parallel_size": self.tensor_parallel,
        }
        if self.cache_gib is not None:
            options["kv_cache_memory_bytes"] = int(self.cache_gib * _GIB)
        elif on_cpu and not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
            options["kv_cache_memory_bytes"] = int(_CPU_CACHE_GIB * _GIB)
        if rates is not None:
            return _given(
                options | {"hf_overrides": {"architectures": [architecture(folder, rates)]}}
            )
        options["logprobs_mode"] = "processed_logprobs"  # those of the distribution sampled from
        if self.adapter_slots:
            options |= {
                "enable_lora": True,
                "max_loras": self.adapter_slots,
                "max_lora_rank": self.adapter_rank,
                "max_cpu_loras": max(16, self.adapter_slots),
                "lora_target_modules": _inner_layers(folder) if on_cpu else None,
            }
        return _given(options)


def _given(options: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _inner_layers(folder: Path) -> list[str]:
    """Return what adapters may change: the linear layers but the last.

    Where adapters may change the output layer, vLLM's CPU build dies of a request for the
    log-probabilities of its prompt (0.32: `punica_cpu` takes it for one token).
    """
    matrices = [name for name, shape in shapes(folder).items() if len(shape) == 2]
    names = {name.removesuffix(".weight").rpartition(".")[2] for name in matrices}
    return sorted(names - OUTER_LAYERS)


def _saved_dtype(folder: Path) -> str:
    """float32 weights stay so, where vLLM would round them; any other type is vLLM's choice."""
    config = json.loads((folder / "config.json").read_text())
    saved = config.get("dtype") or config.get("torch_dtype")
    return "float32" if saved == "float32" else "auto"
