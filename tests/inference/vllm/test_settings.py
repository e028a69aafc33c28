import asyncio
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cogitate.errors import ConfigError
from cogitate.inference import VLLM, Message, Request, open_engine
from cogitate.inference.vllm.weights import same_tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"dtype": "float32"}))
    save_file({"a.q_proj.weight": np.ones((2, 3))}, tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"dtype": "float64"}, "bfloat16"),
        ({"context": 1}, "at least 2"),
        ({"max_rows": 0}, "at least 1"),
        ({"cache_gib": 0.0}, "at least 0.001"),
        ({"adapter_slots": -1}, "0 for no adapters"),
        ({"adapter_rank": 12}, "the next one above"),
        ({"gpu_memory": 1.5}, "at most 1"),
    ],
)
def test_an_option_that_cannot_work_is_refused_at_once(option: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        VLLM("smollm2-135m", **option)  # any of several types


def test_weights_stay_in_the_type_they_were_saved_in(folder: Path) -> None:
    def options(on_cpu: bool, **given: Any) -> dict[str, object]:
        settings = VLLM(folder, **given)._settings
        return settings.options(folder, folder, on_cpu=on_cpu)

    assert options(True)["dtype"] == "float32"
    assert options(True, dtype="bfloat16")["dtype"] == "bfloat16"
    assert (options(True)["enforce_eager"], options(False)["enforce_eager"]) == (True, False)
    assert options(True)["lora_target_modules"] == ["q_proj"]
    assert "lora_target_modules" not in options(False)
    assert "enable_lora" not in options(True, adapter_slots=0)
    assert options(False)["trust_remote_code"] is False
    assert options(False)["load_format"] == "safetensors"
    (folder / "config.json").write_text(json.dumps({"torch_dtype": "bfloat16"}))
    assert options(True)["dtype"] == "auto"


def test_weights_take_the_place_of_those_with_the_same_tensors_alone(
    folder: Path, tmp_path: Path
) -> None:
    for name, tensors, says in (
        ("same", {"a.q_proj.weight": np.zeros((2, 3))}, None),
        ("shape", {"a.q_proj.weight": np.zeros((3, 2))}, "q_proj"),
        ("more", {"a.q_proj.weight": np.zeros((2, 3)), "b": np.zeros(1)}, "such as b"),
        ("none", {}, "has no"),
    ):
        other = tmp_path / name
        other.mkdir()
        if tensors:
            save_file(tensors, other / "model.safetensors")
        if says is None:
            same_tensors(other, folder)
        else:
            with pytest.raises(ConfigError, match=says):
                same_tensors(other, folder)


def test_a_name_opens_it() -> None:
    engine = open_engine("vllm/smollm2-135m")
    assert isinstance(engine, VLLM)
    assert engine.info.model == "vllm/smollm2-135m"
    with pytest.raises(ConfigError, match="takes no base_url"):
        open_engine("vllm/smollm2-135m", base_url="http://127.0.0.1:8000/v1")


def test_without_vllm_an_ask_says_how_to_install_it(tiny_llama: Path) -> None:
    found = find_spec("vllm")  # the folder of these tests may be taken for a package without files
    if found is not None and found.origin is not None:
        pytest.skip("vLLM is installed")

    async def asks() -> None:
        engine = VLLM(tiny_llama)
        for _ in range(2):
            with pytest.raises(ConfigError, match="pip install vllm"):
                await engine.complete(Request(messages=(Message("user", "?"),)))
        await engine.close()

    asyncio.run(asks())
