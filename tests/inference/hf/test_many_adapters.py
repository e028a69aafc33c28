"""An engine that wears one adapter after the other forgets those that nobody wears any more."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from cogitate.inference.hf.adapters import Adapters
from cogitate.inference.hf.slots import Network


def test_the_oldest_adapter_makes_room_quietly(tiny_llama: Path, tmp_path: Path) -> None:
    for i in range(3):
        torch.manual_seed(i)
        config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_llama), config)
        model.save_pretrained(str(tmp_path / f"{i}"))
    network = Network(AutoModelForCausalLM.from_pretrained(tiny_llama))
    adapters = Adapters(network, {}, most=1)
    names = [adapters.load(str(tmp_path / f"{i}"), in_use=()).name for i in range(3)]
    assert len(set(names)) == 3
    layer = network.model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj.lora_A")
    assert [name for name, _ in layer.named_children()] == names[-1:]
    assert not any(weight.requires_grad for weight in network.model.parameters())
