"""Training from one file: rows to weights, a loop that goes on, and each wrong word named."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import FakeServer
from trees import MALT, malt

from cogitate.trainings import METHODS

Command = Callable[..., tuple[int, str, str, BaseException | None]]
FAST = """
[settings]
max_tokens = 4096
adapter = {kind = "lora", rank = 4}
optimisation = {max_steps = 2, batch_size = 2}
"""


@pytest.fixture
def rows(cogitate: Command, tmp_path: Path) -> Callable[[str], Path]:
    """Make a folder of rows of one kind, from MALT's tree."""
    graph = tmp_path / "graph.json"
    graph.write_text(malt(MALT).to_json(), encoding="utf-8")

    def made(kind: str) -> Path:
        out = tmp_path / kind
        code, _, err, _ = cogitate("harvest", str(graph), "--kind", kind, "--out", str(out))
        assert code == 0, err
        return out

    return made


def file(folder: Path, text: str) -> str:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("sft", "sft"), ("dpo", "preferences"), ("reward-model", "preferences"), ("kto", "unpaired")],
)
def test_rows_become_weights(
    cogitate: Command,
    rows: Callable[[str], Path],
    roomy_llama: Path,
    tmp_path: Path,
    method: str,
    kind: str,
) -> None:
    output = tmp_path / "weights"
    told = file(
        tmp_path, f'base = "{roomy_llama}"\nrows = "{rows(kind)}"\noutput = "{output}"\n{FAST}'
    )
    code, out, err, _ = cogitate("train", method, told, "--json", "--seed", "3")
    assert code == 0, err
    result = json.loads(out)
    assert (result["method"], result["interrupted"]) == (method, False)
    [report] = result["reports"]
    assert report["steps"] == 2
    assert report["rows"] > 0
    record = json.loads((output / "cogitate.json").read_text())
    assert record["settings"]["optimisation"]["seed"] == 3
    assert f"{method}: 2/2" in err


def test_what_has_ended_is_trained_anew_only_where_something_else_decides_it(
    cogitate: Command, rows: Callable[[str], Path], roomy_llama: Path, tmp_path: Path
) -> None:
    output, given = tmp_path / "weights", rows("sft")
    text = f'base = "{roomy_llama}"\nrows = "{given}"\noutput = "{output}"\n{FAST}'

    def train(text: str, *more: str) -> tuple[bool, str]:
        told = file(tmp_path, text)
        code, out, err, _ = cogitate("train", "sft", told, "--json", "--quiet", *more)
        assert code == 0, err
        [report] = json.loads(out)["reports"]
        return report["kept"], (output / "cogitate.json").read_text()

    first = train(text, "--report-to", "none")
    assert first[0] is False
    assert train(text, "--report-to", "trackio") == (True, first[1])
    assert train(text, "--seed", "4")[0] is False
    last = train(text.replace("max_steps = 2", "max_steps = 1"))
    assert last[0] is False
    shutil.rmtree(given)
    graph = str(tmp_path / "graph.json")
    cogitate("harvest", graph, "--kind", "sft", "--role", "refiner", "--out", str(given))
    assert train(text.replace("max_steps = 2", "max_steps = 1"))[0] is False


def test_rows_of_another_kind_are_refused(
    cogitate: Command, rows: Callable[[str], Path], tmp_path: Path
) -> None:
    told = file(tmp_path, f'base = "hf/none"\nrows = "{rows("sft")}"\noutput = "{tmp_path}/out"')
    code, _, err, _ = cogitate("train", "dpo", told, "--quiet")
    assert code == 2
    assert "holds SFTRows, and this training needs PreferenceRows" in err


@pytest.mark.parametrize(
    ("method", "text", "says"),
    [
        ("sftt", "", "did you mean 'sft'"),
        ("sft", 'output = "o"\nrows = "r"', "base: Field required"),
        ("sft", 'output = "o"\nrows = "r"\nbase = "b"\nsetings = {}', "did you mean 'settings'"),
        (
            "star",
            'output = "o"\ntrain = "a"\ndev = "b"\n[settings.sft.optimisation]\nepoch = 1',
            "there is no key settings.sft.optimisation.epoch: did you mean 'epochs'",
        ),
        ("malt", 'output = "o"\ntrain = "a"\ndev = "b"\n[settings]\nn = 1', "settings.n: "),
    ],
)
def test_a_wrong_word_is_named_before_anything_runs(
    cogitate: Command, tmp_path: Path, method: str, text: str, says: str
) -> None:
    code, _, err, _ = cogitate("train", method, file(tmp_path, text), "--quiet")
    assert code == 2
    assert says in err


def test_help_names_every_training(cogitate: Command) -> None:
    _, out, _, _ = cogitate("train", "--help")
    said = " ".join(out.replace(",", " ").replace(".", " ").split())
    assert all(f" {method} " in said for method in METHODS)


@pytest.mark.slow
def test_a_loop_that_was_interrupted_goes_on_by_the_same_command(
    server: FakeServer, roomy_llama: Path, tmp_path: Path
) -> None:
    for name, many in (("train", 4), ("dev", 4)):
        lines = [json.dumps({"prompt": f"{name} {i}: 6 * 7?", "answer": "42"}) for i in range(many)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    told = file(
        tmp_path,
        f"""
output = "{tmp_path}/star"
train = "{tmp_path}/train.jsonl"
dev = "{tmp_path}/dev.jsonl"
iterations = 1

[team]
model = "hf/{roomy_llama}"
max_tokens = 20
examples = 0

[first]
model = "openai/m"
base_url = "{server.url}"

[settings]
samples = 2
sft = {{max_tokens = 4096, optimisation = {{max_steps = 60, batch_size = 1}}}}
""",
    )
    command = [sys.executable, "-m", "cogitate", "train", "star", told, "--json"]
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    log = tmp_path / "star" / "stages.jsonl"

    def stages() -> list[str]:
        return (
            [json.loads(line)["name"] for line in log.read_text().splitlines()]
            if log.exists()
            else []
        )

    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        waited = time.monotonic()
        while "sample" not in stages():
            assert first.poll() is None, first.communicate()
            assert time.monotonic() - waited < 120
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=120)
    assert first.returncode == 130, err
    assert json.loads(out)["interrupted"]
    assert "the same command goes on" in err
    assert stages() == ["sample"]

    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stderr
    assert stages() == ["sample", "train", "judge"]
    [report] = json.loads(again.stdout)["reports"]
    assert report["rows"] == 4
