"""The folder tree is what the packaging, the type checkers and the house style take it for."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRONT_DOOR = ROOT / "src" / "cogitate"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {
    name.removeprefix("cogitate."): ROOT / place
    for name, place in PROJECT["tool"]["setuptools"]["package-dir"].items()
    if name != "cogitate"
}
MODULES = sorted(FRONT_DOOR.rglob("*.py")) + sorted(
    module for folder in FOLDERS.values() for module in folder.rglob("*.py")
)
NAMES_THAT_SAY_NOTHING = {"base", "common", "helpers", "misc", "utils"}

each_module = pytest.mark.parametrize(
    "module", MODULES, ids=lambda module: str(module.relative_to(ROOT))
)
each_package = pytest.mark.parametrize(
    "init",
    [module for module in MODULES if module.name == "__init__.py"],
    ids=lambda init: str(init.parent.relative_to(ROOT)),
)


def reexports(node: ast.stmt) -> bool:
    """Whether a statement only says which names there are, or loads a heavy one when asked."""
    match node:
        case ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
            return all(isinstance(inner, ast.ImportFrom) for inner in body)
        case ast.FunctionDef(name="__getattr__"):
            return True
        case _:
            return False


def test_a_package_that_does_more_than_reexport_is_found() -> None:
    assert not any(map(reexports, ast.parse("import os\nx = 1\ndef f(): ...\nrun()").body))


@pytest.mark.parametrize("name", FOLDERS)
def test_type_checkers_find_each_folder_through_a_link(name: str) -> None:
    link = FRONT_DOOR / name
    assert link.is_symlink(), f"ln -s ../../{name} src/cogitate/{name}"
    assert link.readlink() == Path("../..") / name
    assert link.resolve() == FOLDERS[name]


def test_there_is_no_link_but_those() -> None:
    assert {path.name for path in FRONT_DOOR.iterdir() if path.is_symlink()} == set(FOLDERS)


def test_the_packages_in_pyproject_are_the_folders_with_modules() -> None:
    found = {
        ".".join(["cogitate", *module.parent.relative_to(root).parts])
        for root, modules in [
            (FRONT_DOOR, FRONT_DOOR.rglob("*.py")),
            *((ROOT, folder.rglob("*.py")) for folder in FOLDERS.values()),
        ]
        for module in modules
    }
    assert sorted(found) == sorted(PROJECT["tool"]["setuptools"]["packages"])


def test_every_folder_with_modules_is_a_package() -> None:
    assert [module for module in MODULES if not (module.parent / "__init__.py").exists()] == []


def test_basedpyright_is_told_of_every_folder() -> None:
    expected = {"src/cogitate", "tests", "examples", "benchmarks"}
    expected |= {f"src/cogitate/{name}" for name in FOLDERS}
    assert set(PROJECT["tool"]["basedpyright"]["include"]) == expected


def test_ruff_bans_a_bare_import_of_every_folder() -> None:
    banned = PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == set(FOLDERS)


@each_module
def test_a_module_says_why_it_exists(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text())), "begin it with a docstring"


@each_module
def test_a_module_is_one_idea_with_a_name_that_says_it(module: Path) -> None:
    assert module.stem not in NAMES_THAT_SAY_NOTHING
    assert module.read_text().count("\n") <= 400, "split it: a file is one idea"


@each_package
def test_a_package_only_reexports(init: Path) -> None:
    body = ast.parse(init.read_text()).body
    assert [ast.unparse(node) for node in body if not reexports(node)] == []


@each_package
def test_a_package_lists_its_public_names(init: Path) -> None:
    nodes = list(ast.walk(ast.parse(init.read_text())))
    imported = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cogitate")
        for alias in node.names
    }
    listed = [
        name
        for node in nodes
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for name in ast.literal_eval(node.value)
    ]
    assert sorted(listed) == sorted(imported)
