"""`spill`, and runs that spill by themselves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import FakeServer

Command = Callable[..., tuple[int, str, str, BaseException | None]]


@pytest.fixture
def problems(tmp_path: Path) -> str:
    file = tmp_path / "sums.jsonl"
    file.write_text("\n".join(json.dumps({"prompt": f"{n}?", "answer": "42"}) for n in range(6)))
    return str(file)


def test_a_store_is_spilled_and_shown_and_gone_on_with_as_before(
    cogitate: Command, server: FakeServer, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "runs.db")
    command = ["run", problems, *on_server, "--store", store, "--strategy", "best-of-n?n=2"]
    cogitate(*command)
    key = cogitate("show", store)[1][:8]
    shown = [cogitate("show", store, *more)[1] for more in ((), ("--run", key), ("--episode", "3"))]
    asked = len(server.seen)

    code, out, _, _ = cogitate("spill", store)
    assert (code, out) == (
        0,
        f"{store}: 6 finished problems of 30 thoughts went to 1 shards\n",
    )
    assert shown == [
        cogitate("show", store, *more)[1] for more in ((), ("--run", key), ("--episode", "3"))
    ]
    assert cogitate(*command)[0] == 0
    assert len(server.seen) == asked
    assert json.loads(cogitate("spill", store, "--json")[1])["episodes"] == 0


def test_a_run_spills_when_it_is_told_to(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = tmp_path / "runs.db"
    code, out, _, _ = cogitate(
        "run", problems, *on_server, "--store", str(store), "--spill-after", "2",
        "--strategy", "direct",
    )  # fmt: skip
    assert code == 0
    assert "6 of 6 finished" in out
    assert list((tmp_path / "runs.db-shards").glob("*.parquet"))


def test_shards_that_are_damaged_are_named(
    cogitate: Command, on_server: list[str], problems: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "runs.db")
    cogitate("run", problems, *on_server, "--store", store, "--strategy", "direct")
    cogitate("spill", store)
    code, out, _, _ = cogitate("spill", store, "--check")
    assert (code, out) == (0, f"{store}-shards: every shard is what was written\n")
    (tmp_path / "runs.db-shards" / "000001.parquet").write_bytes(b"nothing")
    code, _, err, _ = cogitate("spill", store, "--check")
    assert code == 1
    assert "000001.parquet: it is not what was written: bring it back from a copy" in err
    wrong = json.loads(cogitate("spill", store, "--check", "--json")[1])["wrong"]
    assert list(wrong) == ["000001.parquet"]
    code, _, err, _ = cogitate("show", store, "--episode", "1")
    assert code == 2
    assert "bring it back from a copy" in err


def test_a_file_that_is_no_store_is_refused(cogitate: Command, problems: str) -> None:
    code, _, err, _ = cogitate("spill", problems)
    assert code != 0
    assert "there is no store: give a file that `cogitate run` wrote" in err
