"""Each thing that a user can get wrong is answered by one message with the next step."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from cogitate.cli.app import app
from cogitate.errors import ConfigError

Command = Callable[..., tuple[int, str, str, BaseException | None]]
DEAD = "http://127.0.0.1:9/v1"
SOLVE = ("solve", "6 * 7?", "--base-url", DEAD, "--model", "openai/m")
COMMANDS = [
    "solve", "eval", "compare", "run", "resume", "spill", "calibrate", "harvest", "train", "models",
    "methods", "show", "doctor",
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("solve", "6 * 7?", "--model", "smollm2-135m"), "such as hf/smollm2-135m"),
        (("solve", "6 * 7?", "--model", "hf/no-such-model"), "give smollm2-135m, an existing"),
        (("solve", "6 * 7?", "--model", "openai/gpt"), "set the environment variable OPENAI_API_K"),
        (("solve", "6 * 7?", "--base-url", DEAD), "name a model of that server"),
        ((*SOLVE, "--strategy", "self-refin"), "did you mean 'self-refine'"),
        ((*SOLVE, "--strategy", "direct?n=2"), "direct has no parameter 'n'"),
        ((*SOLVE, "--strategy", "best-of-n?n=many"), "best-of-n: n: "),
        ((*SOLVE, "--budget", "tokens=-5"), "give a positive number"),
        ((*SOLVE, "--budget", "token=5"), "known are tokens, calls, money, seconds"),
        ((*SOLVE, "--budget", "tokens=many"), "tokens is a whole number, as in tokens=20"),
        ((*SOLVE, "--temperature", "-1"), "temperature"),
        ((*SOLVE, "--verifier", "grader:numerics", "--reference", "1"), "did you mean 'numeric'"),
        ((*SOLVE, "--save", "/no/such/folder/graph.json"), "it cannot be written"),
        ((*SOLVE, "--config", "missing.toml"), "give a TOML or YAML file"),
        (SOLVE, "no server answers at http://127.0.0.1:9/v1"),
        (("solve", " ", "--model", "openai/m", "--base-url", DEAD), "write a question"),
        (("eval", "gsm8k?size=2"), "`cogitate methods` lists them"),
        (("eval", "gsm9k", "--strategy", "direct"), "gsm8k"),
        (("eval", "missing.jsonl", "--strategy", "direct"), "there is no such file"),
        (("eval", "gsm8k?size=2", "--strategy", "direct", "--concurrency", "0"), "at least 1"),
        (
            ("eval", "gsm8k?size=2", "--strategy", "direct", *SOLVE[2:]),
            "no server answers at http://127.0.0.1:9/v1",
        ),
        (("show", "missing.json"), "give a file that `cogitate solve --save` wrote"),
    ],
)
def test_a_wrong_word_is_answered_with_the_next_step(
    cogitate: Command, arguments: tuple[str, ...], says: str
) -> None:
    code, _, err, _ = cogitate(*arguments)
    messages = [line for line in err.splitlines() if "gsm8k?size=2 · direct: 2 prob" not in line]

    assert code == 2
    assert len(messages) == 1, "one message"
    assert messages[0].startswith("cogitate: ")
    assert says in messages[0]


def test_debug_shows_where_a_failure_comes_from(cogitate: Command) -> None:
    _, _, err, raised = cogitate("solve", "6 * 7?", "--model", "nope", "--debug")
    assert isinstance(raised, ConfigError)
    assert err == ""


def test_a_file_that_is_no_graph_is_refused(cogitate: Command, tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    for text in ("", "{}", "\x00", '{"format": "cogitate-graph", "version": 9}'):
        file.write_text(text)
        code, _, err, _ = cogitate("show", str(file))
        assert code == 2
        assert err.startswith(f"cogitate: {file}: ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_write_json_takes_a_seed_and_shows_an_example(
    cogitate: Command, name: str
) -> None:
    code, out, _, _ = cogitate(name, "--help")
    assert code == 0
    for wanted in ("--json", "--seed", "--debug", f"  cogitate {name}"):
        assert wanted in out


def test_these_are_the_commands() -> None:
    group = get_command(app)
    assert list(getattr(group, "commands")) == COMMANDS  # noqa: B009


def test_help_loads_no_model_library() -> None:
    script = """
import sys
from cogitate.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
print("loaded:", *(n for n in ("torch", "transformers", "datasets", "trl") if n in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"
