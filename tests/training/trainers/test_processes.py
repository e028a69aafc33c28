"""Several processes train as one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent


def train(
    method: str, base: Path, output: Path, *, processes: int
) -> tuple[list[float], dict[str, int]]:
    """Train with eight rows, four in each step, on so many processes: the losses and the counts."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    arguments = [str(HERE / "one_of_several.py"), method, str(base), str(output)]
    done = subprocess.run(
        [sys.executable, *launch * (processes > 1), *arguments, str(4 // processes)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses, counts = json.loads(output.with_suffix(".json").read_text())
    return losses, counts


def _path() -> str:
    return os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "prm", "grpo"])
def test_two_processes_have_the_losses_of_one(
    method: str, tiny_llama: Path, tmp_path: Path
) -> None:
    one, counted = train(method, tiny_llama, tmp_path / "one", processes=1)
    two, both = train(method, tiny_llama, tmp_path / "two", processes=2)
    assert any(one) and two == pytest.approx(one, abs=1e-4)
    assert both == counted
    first, second = (load_file(next((tmp_path / n).glob("*.safetensors"))) for n in ("one", "two"))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.allclose(second[name], weight, atol=1e-4), name
    assert [path.name for path in sorted(tmp_path.iterdir()) if path.is_dir()] == ["one", "two"]
