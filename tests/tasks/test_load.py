import asyncio
import json
from pathlib import Path

import pytest

from cogitate.errors import ConfigError, DataError
from cogitate.tasks import ProblemSet, grader_for, load
from cogitate.tasks.arithmetic import calculate


def share_right(problems: ProblemSet) -> float:
    """Return the share of references that their own graders call right."""

    async def grade_all() -> list[bool]:
        return [
            (await grader_for(problem).grade(problem, problem.reference or "")).correct
            for problem in problems
        ]

    right = asyncio.run(grade_all())
    return sum(right) / len(right)


@pytest.mark.parametrize(
    ("name", "size", "kind"),
    [("gsm8k", 600, "numeric"), ("math", 200, "math"), ("sorting", 50, "sorting")],
)
def test_a_shipped_set_loads_whole_and_its_references_are_right(
    name: str, size: int, kind: str
) -> None:
    problems = load(name)
    assert (len(problems), problems.dropped, problems[0].kind) == (size, 0, kind)
    assert share_right(problems) == 1.0


def test_the_shipped_games_of_24_load_and_one_can_be_solved() -> None:
    problems = load("game24")
    assert len(problems) == 1262
    first = problems[0]
    assert first.metadata["numbers"] == [1, 1, 4, 6] and first.reference == "24"
    assert asyncio.run(grader_for(first).grade(first, "(1 + 1 * ... )")).score == 0
    assert asyncio.run(grader_for(first).grade(first, "4 * 6 * 1 * 1")).correct


@pytest.mark.parametrize(
    "name", ["gsm8k", "math", "game24", "sorting", "reasoning_gym/chain_sum?size=5"]
)
def test_two_worked_examples_come_with_a_set_and_from_outside_it(name: str) -> None:
    problems = load(name)
    assert len(problems.examples) == 2
    assert {e.prompt for e in problems.examples}.isdisjoint(p.prompt for p in problems)
    assert all(e.author == "cogitate" and "\nAnswer: " in e.response for e in problems.examples)


def test_the_worked_games_of_24_are_themselves_right() -> None:
    for example in load("game24").examples:
        calculation = calculate(example.response.rpartition("Answer: ")[2])
        assert calculation is not None and calculation.value == 24


def test_size_and_offset_choose_a_part() -> None:
    whole, part = load("gsm8k"), load("gsm8k?size=3&offset=10")
    assert [problem.id for problem in part] == [problem.id for problem in whole[10:13]]


def test_a_file_of_one_s_own_loads_with_ids_kinds_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"id": "a", "question": "6 * 7?", "answer": 42, "level": 3},
        {"question": "Which?", "answer": "B", "kind": "choice"},
        {"question": "Why?"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    for name in (f"jsonl:{path}", str(path)):
        problems = load(name)
        assert [problem.id for problem in problems] == ["a", "mine-1", "mine-2"]
        assert [problem.reference for problem in problems] == ["42", "B", None]
        assert [problem.kind for problem in problems] == ["auto", "choice", "auto"]
        assert problems[0].metadata == {"level": 3}


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('task,solution\n"Add 1, 2",3\n"Two\nlines",4\n')
    problems = load(f"csv:{path}?prompt=task&answer=solution&kind=exact")
    assert [(p.prompt, p.reference, p.kind) for p in problems] == [
        ("Add 1, 2", "3", "exact"),
        ("Two\nlines", "4", "exact"),
    ]


def test_gsm8k_and_math_files_are_read_as_they_are_published(tmp_path: Path) -> None:
    gsm8k, mathematics = tmp_path / "train.jsonl", tmp_path / "math.jsonl"
    gsm8k.write_text(json.dumps({"question": "6 * 7?", "answer": "It is <<6*7=42>>42.\n#### 42"}))
    solution = {"problem": "6 * 7?", "solution": "So \\boxed{\\frac{84}{2}}.", "level": "Level 1"}
    mathematics.write_text(json.dumps(solution))
    assert load(f"gsm8k?path={gsm8k}")[0].reference == "42"
    problem = load(f"math?path={mathematics}")[0]
    assert problem.reference == "\\frac{84}{2}" and problem.metadata == {"level": "Level 1"}


def test_a_prompt_that_comes_again_is_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("prompt,answer\nA?,1\nB?,2\nA?,1\n A? ,1\n")
    problems = load(str(path))
    assert [problem.prompt for problem in problems] == ["A?", "B?"]
    assert problems.dropped == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('{"prompt": "A?"', "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("[" * 100_000, "not"),
        ('{"text": "A?"}', "no 'prompt' or 'question'.*it has text"),
        ('{"prompt": " "}', "'prompt' is empty"),
        ('{"prompt": ["A?"]}', "'prompt' must be a text or a number"),
        ('{"prompt": "A?", "answer": true}', "'answer' must be a text or a number"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, why: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{{"prompt": "fine"}}\n\n{row}\n')
    with pytest.raises(DataError, match=rf"mine\.jsonl, line 3: .*{why}"):
        load(str(path))


@pytest.mark.parametrize(
    ("source", "text", "why"),
    [
        ("csv", "prompt,answer\nA?,1\nB?\n", "line 3: 1 columns where it needs 2"),
        ("csv", 'prompt,answer\n"A?,1\n', "line 2: not CSV"),
        ("game24", "Puzzles\n4 7 8\n", "line 2: a puzzle is four whole numbers"),
        ("sorting", 'Unsorted,Sorted\n"[2, 1]","[2, 1]"\n', "line 2: 'Sorted' is not"),
        ("sorting", "Unsorted,Sorted\ntwo,one\n", "line 2: a list is written"),
    ],
)
def test_a_bad_row_of_a_table_is_named_too(
    tmp_path: Path, source: str, text: str, why: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=why):
        load(f"csv:{path}" if source == "csv" else f"{source}?path={path}")


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"mine\.jsonl: not UTF-8"):
        load(str(path))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gsm9k", r"no problem set is called 'gsm9k' \(did you mean gsm8k\?\).*Known: game24"),
        ("", "no problem set is called ''"),
        ("gsm8k?sise=3", r"unknown option 'sise' \(did you mean size\?\).*path, size, offset"),
        ("gsm8k?size=three", "size=three must be a whole number"),
        ("gsm8k?size=", "size has no value"),
        ("gsm8k?size=1&size=2", "given twice"),
        ("gsm8k?size", "write options as"),
        ("gsm8k?size=0", "size must be at least 1"),
        ("gsm8k?offset=-1", "offset at least 0"),
        ("gsm8k?size=601", "only 600 distinct problems for size=601"),
        ("gsm8k?offset=600", "only 600 distinct problems for offset=600"),
        ("gsm8k?path=nowhere.jsonl", "nowhere.jsonl: there is no such file"),
        ("nowhere.csv", "nowhere.csv: there is no such file"),
        ("csv:mine.txt", r"ends in \.csv"),
        ("jsonl:mine", r"ends in \.jsonl"),
        ("gsm8k?path=README.md", r"ends in \.jsonl or \.csv"),
    ],
)
def test_a_wrong_name_says_what_to_do(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load(name)


def test_a_set_from_a_local_folder_loads_through_datasets(tmp_path: Path) -> None:
    folder = tmp_path / "quiz"
    folder.mkdir()
    (folder / "test.jsonl").write_text('{"question": "6 * 7?", "answer": "42", "tags": ["a"]}\n')
    problems = load(f"hf:{folder}?split=test")
    assert (problems[0].prompt, problems[0].reference) == ("6 * 7?", "42")


def test_an_unreachable_data_set_says_so() -> None:
    with pytest.raises(ConfigError, match="hf:no/such: the data set cannot be loaded"):
        load("hf:no/such")
