"""Folders import in one direction only, `import cogitate` stays light, and text is never run."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

FRONT_DOOR = Path(__file__).parents[1] / "src" / "cogitate"
LAYERS = ["errors", "inference", "tasks", "agents", "graphs", "memory", "training", "front door"]
MODULES = {
    ".".join(["cogitate", *path.relative_to(FRONT_DOOR).with_suffix("").parts]): path
    for folder in [FRONT_DOOR, *(FRONT_DOOR / layer for layer in LAYERS)]
    for path in folder.rglob("*.py")
}
HEAVY = [
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "reasoning_gym",
    "math_verify",
    "openai",
]
RUNS_WHAT_IT_IS_GIVEN = {
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "parse_expr",
    "sympify",
    "sympy.sympify",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
}
NEEDED_BY_OTHERS = {
    "gguf": "transformers reads the embedded model's file with it",
    "pydantic-monty": "its client starts the interpreter that it brings",
    "trackio": "transformers and accelerate log to it, by its name in `report_to`",
}
BROUGHT_BY_OTHERS = {
    "pydantic-monty-client": "pydantic-monty",
    "python-dateutil": "reasoning-gym, whose scorers load it when first called",
    "sympy": "reasoning-gym, in the same way",
}
RUNS_IN_THE_SANDBOX = {"cogitate.tasks.code.runner"}  # started by bubblewrap, imported by nobody
UNPICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}

each_module = pytest.mark.parametrize("name", sorted(MODULES))


def layer_of(module: str) -> str:
    """The layer of an import name: `cogitate.agents.team` is in `agents`."""
    first = [*module.split("."), ""][1]
    return first if first in LAYERS else "front door"


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere in a file, for types only or in a function too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module="cogitate", names=names):
                yield from (f"cogitate.{alias.name}" for alias in names)
            case ast.ImportFrom(module=module, level=level):
                yield "." * level + (module or "")
            case ast.Call(func=function, args=[ast.Constant(value=str(module)), *_]):
                if ast.unparse(function).endswith(("import_module", "__import__")):
                    yield module
            case _:
                pass


def wrong_imports(name: str, source: str) -> list[str]:
    """The imports of a module that go against the direction, or that are relative."""
    height = LAYERS.index(layer_of(name))
    return [
        module
        for module in imports(ast.parse(source))
        if module.startswith(".")
        or (module.split(".")[0] == "cogitate" and LAYERS.index(layer_of(module)) > height)
    ]


def unsafe_calls(source: str) -> list[str]:
    """The calls in a file that could run, or unpickle, text from a model."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if ast.unparse(call.func) in RUNS_WHAT_IT_IS_GIVEN
        or any(
            keyword.arg in {"trust_remote_code", "shell"} and ast.unparse(keyword.value) != "False"
            for keyword in call.keywords
        )
    ] + [module for module in imports(tree) if module.split(".")[0] in UNPICKLES]


def distribution_name(requirement: str) -> str:
    """The name that pip compares: `Types_PyYAML>=6` is `types-pyyaml`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


@each_module
def test_a_module_imports_its_own_layer_and_lower_ones_only(name: str) -> None:
    assert wrong_imports(name, MODULES[name].read_text()) == []


@each_module
def test_no_module_runs_or_unpickles_text(name: str) -> None:
    if name in RUNS_IN_THE_SANDBOX:
        importers = [
            m for m, path in MODULES.items() if name in imports(ast.parse(path.read_text()))
        ]
        assert importers == []
    else:
        assert unsafe_calls(MODULES[name].read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from cogitate.graphs import ThoughtGraph",
        "from cogitate.graphs.thought import Thought",
        "import cogitate.training",
        "import cogitate",
        "from cogitate import Budget",
        "from . import team",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import cogitate.memory",
        "def late():\n    from cogitate import graphs",
        "import importlib\nimportlib.import_module('cogitate.graphs')",
    ],
)
def test_an_import_against_the_direction_is_found(source: str) -> None:
    assert wrong_imports("cogitate.agents.team", source)


@pytest.mark.parametrize(
    "source",
    [
        "from cogitate.errors import ConfigError",
        "from cogitate import inference",
        "import cogitate.tasks.problem",
        "from cogitate.agents.agent import Agent",
        "import networkx",
    ],
)
def test_an_import_in_the_direction_is_allowed(source: str) -> None:
    assert wrong_imports("cogitate.agents.team", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "torch.load(path)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "subprocess.run(command, shell=True)",
        "def late():\n    import pickle",
    ],
)
def test_code_that_runs_or_unpickles_text_is_found(source: str) -> None:
    assert unsafe_calls(source)


def test_setting_a_model_to_evaluation_is_not_taken_for_running_text() -> None:
    assert unsafe_calls("model.eval()") == []


def test_the_declared_dependencies_are_those_that_are_imported() -> None:
    project = tomllib.loads((FRONT_DOOR.parents[1] / "pyproject.toml").read_text())["project"]
    optional = [one for extra in project["optional-dependencies"].values() for one in extra]
    declared = {distribution_name(requirement) for requirement in project["dependencies"]}
    distributions = packages_distributions()
    imported = {
        distribution_name(distributions.get(top, [top])[0])
        for path in MODULES.values()
        for module in imports(ast.parse(path.read_text()))
        if (top := module.split(".")[0]) not in {"", "cogitate", *sys.stdlib_module_names}
    }
    brought = set(BROUGHT_BY_OTHERS) | set(map(distribution_name, optional))
    assert imported - declared - brought == set(), "declare them"
    assert declared - imported - set(NEEDED_BY_OTHERS) == set(), "no module imports them"


def test_importing_cogitate_loads_no_heavy_library() -> None:
    script = "import sys, cogitate; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *HEAVY],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.split() == []
