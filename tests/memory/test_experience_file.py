"""What is kept survives its process, damage is seen, and imports prove nothing."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest
from remembering import examples, learn, lesson, recalled, solved, told

import cogitate as cg
from cogitate.agents import Provenance
from cogitate.errors import DataError
from cogitate.memory import Experience
from cogitate.memory.database import Database
from cogitate.memory.schema import MIGRATIONS


def test_what_is_kept_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    one = lesson("carry", "Add 1 and 2", run="r", model="hf/m", derived_from=("x",))
    with Experience(tmp_path / "runs.db") as memory:
        learn(memory, one, lesson("guess", "Add 3 and 4", verified=False))
        before = list(memory.kept())
    with Experience(tmp_path / "runs.db") as memory:
        assert list(memory.kept()) == before
        assert before[0].lesson == one
        assert recalled(memory, "Add 5 and 6") == ["carry"]


def test_it_stands_in_the_file_of_a_run_store(tmp_path: Path) -> None:
    with Database(tmp_path / "runs.db", MIGRATIONS) as store:
        store.write_now(lambda db: db.execute("INSERT INTO problems VALUES(1, 'k', 'n', 'r')"))
        memory = Experience(store)
        learn(memory, lesson("carry", "Add 1 and 2"))
        memory.close()
        assert list(store.rows(str, "SELECT name FROM problems")) == ["n"]
        assert recalled(memory, "Add 5 and 6") == ["carry"]


def test_a_memory_sees_what_another_process_learns_and_forgets(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    script = """
import asyncio, sys
from cogitate.agents import Lesson, Provenance
from cogitate.memory import Experience
async def main(what):
    with Experience(sys.argv[1]) as memory:
        if what == "forget":
            print(await memory.forget("run", "theirs"))
            return
        proof = Provenance(run="theirs", grader="NumericGrader", outcome="1.0")
        await asyncio.gather(*(memory.learn(Lesson(
            text=f"{i}", problem=f"q{i}", prompt=f"Add {i} and 2", verified=True, provenance=proof
        )) for i in range(20)))
asyncio.run(main(sys.argv[2]))
"""

    def other(what: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", script, str(file), what], text=True, stdout=subprocess.PIPE
        )

    with Experience(file, most=99) as memory:
        learn(memory, lesson("mine", "Add 1 and 1"))
        writers = [other("learn"), other("learn")]
        while any(writer.poll() is None for writer in writers):
            assert "mine" in recalled(memory, "Add 50 and 60")
        assert [writer.communicate()[0] for writer in writers] == ["", ""]
        assert sorted(recalled(memory, "Add 50 and 60")) == sorted(
            ["mine", *(str(i) for i in range(20))]
        )
        assert other("forget").communicate()[0].strip() == "20"
        assert recalled(memory, "Add 50 and 60") == ["mine"]


def test_a_damaged_row_is_neither_recalled_nor_told_and_is_counted(tmp_path: Path) -> None:
    with Experience(tmp_path / "runs.db") as memory:
        learn(memory, lesson("good", "Add 1 and 2"), lesson("flip me", "Add 3 and 4"))
        assert len(recalled(memory, "Add 5 and 6")) == 2
        with Database(tmp_path / "runs.db", MIGRATIONS) as raw:
            raw.write_now(lambda db: db.execute("DROP TRIGGER experiences_keep"))
            raw.write_now(
                lambda db: db.execute(
                    "UPDATE experiences SET record = replace(record, 'flip', 'flop')"
                )
            )
        assert recalled(memory, "Add 5 and 6") == ["good"]
        assert told(memory) == ["good"]
        assert memory.damaged == 1
    with Experience(tmp_path / "runs.db") as memory:
        assert recalled(memory, "Add 5 and 6") == ["good"]
        assert memory.damaged == 1


def test_a_flipped_bit_is_found_or_harmless(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    texts = [f"Lesson {i}: carry the one." for i in range(8)]
    with Experience(file) as memory:
        learn(memory, *(lesson(text, f"Add {i} and 2") for i, text in enumerate(texts)))
        learn(memory, *(lesson("guess", f"Add {i} and 3", verified=False) for i in range(8)))
    whole = file.read_bytes()
    draw = random.Random(0)
    rows = [
        i for i in range(len(whole)) if whole[i : i + 4] in (b"less", b"Less", b"fals", b"true")
    ]
    refused = damaged = 0
    for trial in range(60):
        bits = bytearray(whole)
        place = draw.choice(rows) + draw.randrange(80) if trial % 2 else draw.randrange(len(whole))
        bits[min(place, len(whole) - 1)] ^= 1 << draw.randrange(8)
        for rest in tmp_path.glob("runs.db*"):
            rest.unlink()
        file.write_bytes(bits)
        try:
            with Experience(file, most=99) as memory:
                assert set(recalled(memory, "Add 50 and 60")) <= set(texts)
                damaged += memory.damaged
        except cg.CogitateError:
            refused += 1
    assert damaged > 5
    assert refused < 40


def test_what_was_learned_cannot_be_changed_in_the_file(tmp_path: Path) -> None:
    with Experience(tmp_path / "runs.db") as memory:
        learn(memory, lesson("guess", "Add 1 and 2", verified=False))
    with (
        Database(tmp_path / "runs.db", MIGRATIONS) as raw,
        pytest.raises(cg.CogitateError, match="never changes"),
    ):
        raw.write_now(lambda db: db.execute("UPDATE experiences SET record = ''"))


def test_what_comes_from_another_memory_is_unverified_whatever_it_says(
    memory: Experience, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.jsonl"
    with Experience() as theirs:
        learn(theirs, lesson("carry", "Add 1 and 2", author="them"))
        asyncio.run(theirs.remember(solved("What is 2 + 3?", "5", "5")))
        assert theirs.save(file) == 2
    assert asyncio.run(memory.load(file)) == 2
    assert asyncio.run(memory.load(file)) == 0
    assert recalled(memory, "Add 3 and 4") == []
    assert examples(memory, "What is 4 + 4?") == []
    first, second = memory.kept()
    assert (first.lesson.verified, first.lesson.provenance) == (
        False,
        Provenance(run="import:theirs.jsonl", author="them"),
    )
    assert second.sort == "example"
    assert asyncio.run(memory.forget("run", "import:theirs.jsonl")) == 2


GOOD = '{"sort":"lesson","lesson":{"text":"x","problem":"p","prompt":"Add 1"}}\n'


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        '{"sort":"lesson"}',
        '{"sort":"order","lesson":{"text":"x","problem":"p","prompt":"Add 1"}}',
        GOOD.replace('"text"', '"verified":true,"verified":false,"text"'),
        GOOD.replace('"x"', '["x"]'),
        GOOD.replace('"x"', "9" * 5000),
        GOOD.replace('"x"', '"x","shell":"rm"'),
        GOOD.replace('"x"', '"' + "x" * 1_000_001 + '"'),
        "[" * 100_000,
        "\x80",
    ],
)
def test_a_file_of_something_else_is_refused_as_a_whole(
    memory: Experience, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "theirs.jsonl"
    file.write_bytes(GOOD.encode() + line.encode("latin-1", "ignore"))
    with pytest.raises(DataError, match=r"theirs\.jsonl"):
        asyncio.run(memory.load(file))
    assert told(memory) == []


def test_half_a_character_becomes_a_whole_one(memory: Experience, tmp_path: Path) -> None:
    (tmp_path / "theirs.jsonl").write_text(GOOD.replace('"x"', '"\\ud800!"'))
    assert asyncio.run(memory.load(tmp_path / "theirs.jsonl")) == 1
    assert told(memory) == ["\ufffd!"]
