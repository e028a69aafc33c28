"""Files of rows from anywhere: what is forged, malformed or dangerous is refused and never run."""

import contextlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import MALT, malt

from cogitate.errors import CogitateError, ConfigError, DataError
from cogitate.training import Rows, SFTRow, harvest
from cogitate.training.exports import export, read_rows

ROWS = list(harvest([malt(MALT)]).sft())
PROOF = "executed"


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.proof,)


def record(**changes: object) -> str:
    fields = json.loads(ROWS[0].model_dump_json()) | {"verification": "unverified"} | changes
    return json.dumps(fields)


def written(folder: Path, text: str) -> Path:
    file = folder / "rows.jsonl"
    file.write_text(text)
    return file


def test_a_sound_line_is_read(tmp_path: Path) -> None:
    assert list(read_rows(written(tmp_path, record()), kind="sft")) == [ROWS[0]]


@pytest.mark.parametrize("name", ["rows.pkl", "rows.pt", "rows.npy", "rows.jsonl", "rows.parquet"])
def test_a_pickle_is_refused_under_any_name_and_nothing_is_executed(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(pickle.dumps(Bomb(tmp_path / PROOF)))
    with pytest.raises(DataError):
        list(read_rows(file, kind="sft"))
    assert not (tmp_path / PROOF).exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (record(verification="grader"), "says that it was verified"),
        (record(verified=True), "Extra inputs"),
        (record()[:-1] + ', "grade": 1.0}', "twice"),
        (record(source=["m", "r", None, ""]).replace('"m"', '{"a": 1, "a": 2}'), "twice"),
        (record(grade=float("nan")), "NaN"),
        (record(grade=float("inf")), "Infinity"),
        (record().replace('"grade": 0.5555555555555556', '"grade": 1e999'), "too large"),
        (record(completion_ids=[10**30]), "too large"),
        (record(completion_ids=[2**31]), "less than"),
        (record(completion_ids=[-1]), "greater than"),
        (record(completion_ids=["1"]), "integer"),
        (record(grade="1"), "number"),
        (record(completion=7), "string"),
        (record(credit=["m", 10**17, [["a", 1]], "grader", "more"]), "credit"),
        (record(messages=[["user"]]), "messages"),
        ("[]", "no JSON object"),
        ("{" * 100_000, "line 2"),
        ('{"a":' * 100_000, "line 2"),
        ("\x00\x01", "line 2"),
        ("\n", "line 2"),
    ],
)
def test_a_line_that_is_not_what_it_must_be_is_refused_and_named(
    line: str, message: str, tmp_path: Path
) -> None:
    file = written(tmp_path, f"{record()}\n{line}\n")
    with pytest.raises(DataError, match=message):
        list(read_rows(file, kind="sft"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"problem": "\xff\xfe"}\n')
    with pytest.raises(DataError, match="line 1"):
        list(read_rows(file, kind="sft"))


def test_a_forged_row_among_true_ones_is_found(tmp_path: Path) -> None:
    rows = harvest([malt(MALT)]).sft()
    lines = [json.dumps(json.loads(r.model_dump_json()) | {"verification": "grader"}) for r in rows]
    forged = lines[3].replace("Answer: 42", "Answer: 43")
    grade = json.loads(lines[3]) | {"grade": 0.9}
    assert forged != lines[3] or grade != json.loads(lines[3])
    file = written(tmp_path, "\n".join(lines))
    assert len(list(read_rows(file, kind="sft", against=rows))) == len(lines)
    for lie in {forged, json.dumps(grade)} - {lines[3]}:
        written(tmp_path, "\n".join([*lines[:3], lie, *lines[4:]]))
        with pytest.raises(DataError, match=r"line 4: .* none of those"):
            list(read_rows(file, kind="sft", against=rows))


def test_a_true_row_that_is_told_again_and_again_is_found(tmp_path: Path) -> None:
    rows = harvest([malt(MALT)]).sft()
    lines = [row.model_dump_json() for row in rows]
    file = written(tmp_path, "\n".join([*lines, lines[3]]))
    with pytest.raises(DataError, match=rf"line {len(lines) + 1}: .* more often"):
        list(read_rows(file, kind="sft", against=rows))
    twice = Rows.of(SFTRow, [*rows, *rows])  # as often as it was harvested is no replay
    back = read_rows(file, kind="sft", against=twice)
    assert len(list(back)) == len(list(back)) == len(lines) + 1
    assert len(list(read_rows(file, kind="sft"))) == len(lines) + 1


@pytest.mark.parametrize(
    "name", ["../secret.jsonl", "/etc/passwd", "a/../../secret.jsonl", "..", "rows.pkl", "CON|x"]
)
def test_a_manifest_names_files_of_its_own_folder_only(name: str, tmp_path: Path) -> None:
    written(tmp_path, record()).rename(tmp_path / "secret.jsonl")
    export(harvest([malt(MALT)]).sft(), tmp_path / "rows")
    manifest = tmp_path / "rows" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"file": name}))
    with pytest.raises(DataError, match="file"):
        read_rows(tmp_path / "rows", claims="drop")


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    export(harvest([malt(MALT)]).sft(), folder)
    (folder / "rows.jsonl").rename(tmp_path / "elsewhere.jsonl")
    (folder / "rows.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(DataError, match="link"):
        read_rows(folder, claims="drop")


@pytest.mark.parametrize("change", [{"rows": -1}, {"extra": 1}, {"version": 2}, {"rows": 10**40}])
def test_a_manifest_is_read_as_strictly(change: dict[str, object], tmp_path: Path) -> None:
    export(harvest([malt(MALT)]).sft(), tmp_path / "rows")
    manifest = tmp_path / "rows" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_rows(tmp_path / "rows")


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    export(harvest([malt(MALT)]).sft(), tmp_path / "rows", form="parquet")
    with pytest.raises(ConfigError, match="sft rows"):
        read_rows(tmp_path / "rows", kind="ranked")
    with pytest.raises(DataError, match="columns"):
        list(read_rows(tmp_path / "rows" / "rows.parquet", kind="ranked"))
    with pytest.raises(ConfigError, match="kind="):
        read_rows(tmp_path / "rows" / "rows.parquet")
    with pytest.raises(ConfigError, match="no such file"):
        read_rows(tmp_path / "none.jsonl", kind="sft")


@given(st.binary(max_size=300), st.sampled_from(["rows.jsonl", "rows.parquet"]))
def test_no_bytes_do_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    file = tmp_path_factory.mktemp("bytes") / name
    file.write_bytes(data)
    with contextlib.suppress(CogitateError):
        assert list(read_rows(file, kind="sft")) == []


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flip") / "rows"
    export(harvest([malt(MALT)]).sft(), folder)
    return folder


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_flipped_bit_is_refused(sound: Path, place: int, bit: int) -> None:
    file = sound / "rows.jsonl"
    whole = file.read_bytes()
    data = bytearray(whole)
    data[place % len(data)] ^= 1 << bit
    try:
        file.write_bytes(bytes(data))
        with pytest.raises(DataError, match="export it again"):
            read_rows(sound)
    finally:
        file.write_bytes(whole)
