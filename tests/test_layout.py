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
MODULES = sorted(FRONT_DOOR.glob("*.py")) + sorted(
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


def is_named_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("name", FOLDERS)
def test_type_checkers_find_each_folder_through_a_link(name: str) -> None:
    link = FRONT_DOOR / name
    assert link.is_symlink(), f"ln -s ../../{name} src/cogitate/{name}"
    assert link.readlink() == Path("../..") / name
    assert link.resolve() == FOLDERS[name]


def test_there_is_no_link_but_those() -> None:
    assert {path.name for path in FRONT_DOOR.iterdir() if path.is_symlink()} == set(FOLDERS)


def test_the_packages_in_pyproject_are_the_folders_with_modules() -> None:
    found = {"cogitate"} | {
        ".".join(["cogitate", *module.parent.relative_to(ROOT).parts])
        for folder in FOLDERS.values()
        for module in folder.rglob("*.py")
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
    if init.parent == FRONT_DOOR:
        pytest.skip("the front door may load what is heavy when it is first asked for")
    body = ast.parse(init.read_text()).body
    others = [
        ast.unparse(node).splitlines()[0]
        for node in body
        if not (isinstance(node, ast.ImportFrom) or is_named_all(node) or is_docstring(node))
    ]
    assert others == []


@each_package
def test_a_package_lists_its_public_names_in_order(init: Path) -> None:
    tree = ast.parse(init.read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and is_named_all(node)
    ]
    listed = [name for value in lists for name in ast.literal_eval(value)]
    assert len(set(listed)) == len(listed)
    assert not imported - set(listed), "imported and not listed in __all__"
