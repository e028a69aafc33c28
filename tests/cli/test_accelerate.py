"""`accelerate launch -m cogitate train`: several processes, and the configurations of examples/."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import JsonValue
from safetensors.torch import load_file
from trees import MALT, malt

CONFIGURATIONS = Path(__file__).parents[2] / "examples" / "accelerate"
Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.mark.parametrize("name", ["fsdp2", "deepspeed", "two_cpus"])
def test_accelerate_knows_every_key_of_a_configuration(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser
    from accelerate.utils import DeepSpeedPlugin, FullyShardedDataParallelPlugin

    file = CONFIGURATIONS / f"{name}.yaml"
    load_config_from_file(str(file))  # it refuses keys that it does not know
    told = yaml.safe_load(file.read_text())
    options = vars(launch_command_parser().parse_args(["script.py"]))
    for section in ("fsdp_config", "deepspeed_config"):
        assert set(told.get(section, {})) <= set(options), section
    fsdp = {one.name for one in dataclasses.fields(FullyShardedDataParallelPlugin)}
    for key in told.get("fsdp_config", {}):
        assert key.removeprefix("fsdp_") in fsdp | {"version", "transformer_layer_cls_to_wrap"}
    deepspeed = {one.name for one in dataclasses.fields(DeepSpeedPlugin)}
    assert set(told.get("deepspeed_config", {})) <= deepspeed


def test_a_key_that_accelerate_does_not_know_is_refused(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    wrong = (CONFIGURATIONS / "fsdp2.yaml").read_text() + "fsdp_versoin: 2\n"
    (tmp_path / "wrong.yaml").write_text(wrong)
    with pytest.raises(ValueError, match="fsdp_versoin"):
        load_config_from_file(str(tmp_path / "wrong.yaml"))


def launched(
    method: str, file: Path, *, processes: int, name: str = "two_cpus"
) -> dict[str, JsonValue]:
    """Train by accelerate's launcher, and return what the only speaker of them reports."""
    launch = ["-m", "accelerate.commands.launch", "--config_file"]
    several = [*launch, str(CONFIGURATIONS / f"{name}.yaml"), "--main_process_port", "0"]
    several += ["--num_processes", str(processes), "--mixed_precision", "no"]
    told = ["-m", "cogitate", "train", method, str(file), "--json", "--report-to", "none"]
    done = subprocess.run(
        [sys.executable, *several * (processes > 1), *told],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    [report] = json.loads(done.stdout)["reports"]
    assert isinstance(report, dict)
    return report


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ['{kind = "lora", rank = 4, dropout = 0.0}', '{kind = "full"}'])
@pytest.mark.parametrize("name", ["two_cpus", "fsdp2"])
def test_sft_has_the_losses_of_one_process_in_two(
    name: str, adapter: str, cogitate: Command, roomy_llama: Path, tmp_path: Path
) -> None:
    (tmp_path / "graph.json").write_text(malt(MALT).to_json(), encoding="utf-8")
    cogitate("harvest", str(tmp_path / "graph.json"), "--kind", "sft", "--out", f"{tmp_path}/rows")

    def losses(processes: int) -> JsonValue:
        file = tmp_path / f"{processes}.toml"
        file.write_text(
            f'base = "{roomy_llama}"\nrows = "{tmp_path}/rows"\noutput = "{tmp_path}/{processes}"\n'
            f"[settings]\nmax_tokens = 4096\nadapter = {adapter}\n"
            f"optimisation = {{epochs = 1, batch_size = {4 // processes}}}"
        )
        return launched("sft", file, processes=processes, name=name)["losses"]

    one, two = losses(1), losses(2)
    assert isinstance(one, list) and len(one) > 1  # two that train alone would take more steps
    assert two == pytest.approx(one, abs=1e-4)
    [first, second] = (
        load_file(next((tmp_path / folder).glob("*.safetensors"))) for folder in "12"
    )
    assert first.keys() == second.keys()  # whole weights are saved, and no process keeps its shard
    for weight, tensor in first.items():
        assert torch.allclose(second[weight], tensor, atol=1e-4), weight


@pytest.mark.slow
def test_ppo_trains_in_two_processes(roomy_llama: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": f"{i}: 6 * 7?", "answer": "42"}) for i in range(4)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    file = tmp_path / "ppo.toml"
    file.write_text(
        f'base = "{roomy_llama}"\noutput = "{tmp_path}/ppo"\nproblems = "{tmp_path}/train.jsonl"\n'
        "[team]\nmax_tokens = 8\n[rewards]\noverlong = {limit = 8, cache = 6}\n"
        "[settings]\nrank = 4\nreplies = 2\nschedule = {steps = 2, prompts = 2}"
    )
    report = launched("ppo", file, processes=2)
    assert report["steps"] == 2
    assert isinstance(report["counts"], dict) and report["counts"]["replies"] == 8
    assert (tmp_path / "ppo" / "adapter_model.safetensors").exists()


def test_a_loop_says_that_it_runs_in_one_process(
    cogitate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "star.toml"
    file.write_text(f'output = "{tmp_path}/o"\ntrain = "game24"\ndev = "game24"')
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err, _ = cogitate("train", "star", str(file))
    assert code == 2
    assert "star runs in one process" in err
