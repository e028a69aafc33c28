"""Every Python block of the documentation runs.

The blocks of one file run in their order and share their names, in an empty folder. `await` may
stand at the top, as in a notebook. `<!-- model -->` in the line above a block says that it loads
the embedded model.
"""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if path.exists()
]
BLOCK = re.compile(
    r"^(?P<model><!-- model -->\n+)?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A piece of code in a page."""

    code: str
    """Moved down by empty lines, so that a traceback names the page's own line."""
    model: bool


def blocks(page: str) -> list[Block]:
    return [
        Block("\n" * page.count("\n", 0, found.start("code")) + found["code"], bool(found["model"]))
        for found in BLOCK.finditer(page)
    ]


def run(code: str, names: dict[str, object], filename: str) -> None:
    compiled = compile(code, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(compiled, names)
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)


def pages_with_code() -> list[object]:
    found = [(path, blocks(path.read_text())) for path in PAGES]
    return [
        pytest.param(
            path,
            marks=pytest.mark.model if any(block.model for block in page) else (),
            id=str(path.relative_to(ROOT)),
        )
        for path, page in found
        if page
    ]


@pytest.mark.parametrize("path", pages_with_code())
def test_the_code_of_a_page_runs(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    page = path.read_text()
    for block in blocks(page):
        run(block.code, names, str(path))
    printed = capsys.readouterr().out
    for drawing in MERMAID.findall(page):
        assert drawing in printed, "a drawing is not what the code of the page prints"


def test_blocks_share_names_may_await_and_keep_their_line() -> None:
    page = (
        "# Title\n\n```python\nimport asyncio\n```\n"
        "<!-- model -->\n```python\nawait asyncio.sleep(0)\n1 / 0\n```\n"
    )
    first, second = blocks(page)
    assert (first.model, second.model) == (False, True)
    names: dict[str, object] = {}
    run(first.code, names, "page.md")
    with pytest.raises(ZeroDivisionError) as failure:
        run(second.code, names, "page.md")
    assert failure.traceback[-1].lineno + 1 == 9
