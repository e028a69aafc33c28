"""Tools: what they tell, and that nothing which goes wrong in one gets out of it."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.agents import Calculator, Document, Observation, Retriever, Tool, use
from cogitate.errors import ConfigError, DataError


class Odd:
    """A tool that does what a test says."""

    name = "odd"
    description = "does as it likes"

    def __init__(self, does) -> None:
        self._does = does

    async def call(self, text: str, /) -> str:
        return await self._does(text)


def observe(does, text: str = "x", *, seconds: float = 5.0) -> Observation:
    return asyncio.run(use(Odd(does), text, seconds=seconds))


@pytest.mark.parametrize("tool", [Calculator(), Retriever(["a"]), Odd(None)])
def test_each_is_a_tool(tool: object) -> None:
    assert isinstance(tool, Tool)


def test_what_a_tool_tells_is_observed() -> None:
    async def does(text: str) -> str:
        return f" {text}! "

    assert observe(does) == Observation("x!")


def test_a_tool_that_fails_is_an_observation() -> None:
    async def does(text: str) -> str:
        raise KeyError(text)

    assert observe(does) == Observation(
        "odd failed: KeyError: 'x'", "the tool odd failed: KeyError: 'x'"
    )


def test_a_tool_that_hangs_is_an_observation_and_is_cancelled() -> None:
    ended: list[str] = []

    async def does(text: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(text)
        return ""

    assert observe(does, seconds=0.01).text == "odd failed: no answer within 0.01 seconds"
    assert ended == ["x"]


def test_a_tool_that_cancels_itself_does_not_cancel_the_search() -> None:
    async def does(_: str) -> str:
        raise asyncio.CancelledError

    assert "cancelled" in observe(does).error


def test_a_search_that_is_cancelled_cancels_its_tool() -> None:
    ended: list[str] = []

    async def does(text: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(text)
        return ""

    async def search() -> None:
        task = asyncio.ensure_future(use(Odd(does), "x", seconds=60))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(search())
    assert ended == ["x"]


@pytest.mark.parametrize("answer", [None, 7, b"x", ["x"]])
def test_an_answer_that_is_no_text_is_a_failure(answer: object) -> None:
    async def does(_: str) -> object:
        return answer

    assert "no text" in observe(does).error


def test_a_plain_function_as_tool_is_a_failure_and_no_crash() -> None:
    class Plain:
        name = "plain"
        description = "is not async"

        def call(self, text: str, /) -> str:
            return text

    found = asyncio.run(use(Plain(), "x", seconds=1))  # type: ignore[arg-type]  # wrong on purpose
    assert "TypeError" in found.error


def test_an_observation_is_cut_and_is_valid_unicode_and_never_empty() -> None:
    async def long(_: str) -> str:
        return "\ud800" + "a" * 10_000

    async def empty(_: str) -> str:
        return " \n"

    found = observe(long).text
    assert len(found) == 2000 and found.startswith("\ufffdaaa") and found.endswith("a…")
    assert observe(empty).text == "(nothing)"


def calculated(text: str) -> str:
    return asyncio.run(Calculator().call(text))


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("23 * 48 + 17", "1121"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 4", "2.5"),
        ("1 / 3", "1/3 = 0.333333333333"),
        ("-2 / 3", "-2/3 = -0.666666666667"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("2 ** 200", "about 1.60693804426E+60"),
        ("17 % 5 + 17 // 5", "5"),
        ("1,234,567 * 2", "2469134"),
        ("`12 * 13 =`", "156"),
    ],
)
def test_the_calculator_is_exact(expression: str, told: str) -> None:
    assert calculated(expression) == told


@pytest.mark.parametrize(
    "text", ["", "1 / 0", "9 ** 9 ** 9", "__import__('os').getcwd()", "1,23", "x", "2 ** 0.5"]
)
def test_the_calculator_says_what_it_takes(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be calculated"):
        calculated(text)


@given(st.text(alphabet="0123456789+-*/()%^., ", max_size=120) | st.text(max_size=50))
def test_the_calculator_tells_or_refuses_and_nothing_else(text: str) -> None:
    try:
        assert calculated(text)
    except ValueError as error:
        assert "cannot be calculated" in str(error)


def told(retriever: Retriever, query: str) -> str:
    return asyncio.run(retriever.call(query))


def test_the_document_with_the_rarer_words_comes_first() -> None:
    retriever = Retriever(["the cat sat", "the dog sat", "the dog ran far"], k=2)
    assert [one.text for one in retriever.find("the dog ran")] == ["the dog ran far", "the dog sat"]


def test_scores_are_those_of_bm25() -> None:
    retriever = Retriever(["a a b", "b c", "c c c c"])
    # idf(a) = ln(1 + 2.5/1.5) = 0.9808; |d| = 3 is the mean, so tf = 2 * 2.5 / (2 + 1.5) = 1.4286
    assert retriever._score({"a": None}, 0) == pytest.approx(0.98083 * 1.42857, abs=1e-4)
    # idf(c) = ln(1 + 1.5/2.5) = 0.4700; d2: norm = 1.5 * (0.25 + 0.75 * 2/3) = 1.125
    assert retriever._score({"c": None}, 1) == pytest.approx(0.47000 * 2.5 / 2.125, abs=1e-4)


def test_a_long_document_does_not_win_by_its_length() -> None:
    retriever = Retriever(["tea " + "and more " * 50, "tea is hot"], k=1)
    assert retriever.find("tea")[0].text == "tea is hot"


def test_titles_are_searched_and_told() -> None:
    retriever = Retriever([Document("It is a drink.", "Tea"), Document("It is a town.", "Ely")])
    assert told(retriever, "TEA?") == "[1] Tea: It is a drink."


def test_a_query_without_a_known_word_says_so() -> None:
    assert "try other words" in told(Retriever(["a b"]), "zebra")
    assert "try other words" in told(Retriever(["a b"]), "")


def test_a_folder_gives_its_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tea.md").write_text("Tea is hot.\n\nTea is old.\n")
    (tmp_path / "picture.png").write_bytes(b"\xff")
    found = Retriever.of(tmp_path)
    assert [*found.documents] == [
        Document("Tea is hot.", "sub/tea.md"),
        Document("Tea is old.", "sub/tea.md"),
    ]


def test_a_jsonl_file_gives_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"text": "one\n\ntwo", "title": "t"}) + "\n\n" + '{"text": "three"}')
    assert [*Retriever.of(file).documents] == [Document("one\n\ntwo", "t"), Document("three")]


@pytest.mark.parametrize("row", ["{", "3", '{"title": "a"}', '{"text": 3}', "[" * 100_000])
def test_a_wrong_row_is_named(tmp_path: Path, row: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "fine"}\n' + row)
    with pytest.raises(DataError, match="line 2"):
        Retriever.of(file)


def test_documents_that_are_not_there_are_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such"):
        Retriever.of(tmp_path / "none")
    with pytest.raises(ConfigError, match="nothing to read"):
        Retriever.of(tmp_path)
    with pytest.raises(ConfigError, match="at least one"):
        Retriever([])
    with pytest.raises(ConfigError, match="one text"):
        Retriever("tea")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match="UTF-8"):
        Retriever.of(tmp_path)
