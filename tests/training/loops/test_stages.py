"""The stage log: what is finished is not done again, and what was changed is."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from cogitate.errors import ConfigError, DataError
from cogitate.training.loops import Stage, StageLog


class Said(BaseModel):
    word: str


class Works:
    """Two stages, of which the second reads what the first wrote; counts how often each runs."""

    def __init__(self, folder: Path, **loop: int) -> None:
        self.log = StageLog(folder, {"loop": "test", "settings": dict(loop)})
        self.ran: list[str] = []
        self.word = "first"

    def write(self, iteration: int = 1, **inputs: str) -> Said:
        def work(stage: Stage) -> Said:
            self.ran.append("write")
            stage.output("words").mkdir(exist_ok=True)
            (stage.output("words") / "word.txt").write_text(self.word)
            stage.tokens += 7
            return Said(word=self.word)

        return self.log.stage("write", Said, work, iteration=iteration, inputs=inputs)

    def copy(self) -> Said:
        read = self.log.folder(1) / "words" / "word.txt"

        def work(stage: Stage) -> Said:
            self.ran.append("copy")
            stage.output("copy.txt").write_text(read.read_text())
            return Said(word=read.read_text())

        return self.log.stage("copy", Said, work, iteration=1, inputs={"word": read.read_text()})


def test_a_finished_stage_is_told_and_not_run(tmp_path: Path) -> None:
    first = Works(tmp_path)
    assert (first.write().word, first.copy().word) == ("first", "first")
    again = Works(tmp_path)
    again.word = "second"
    assert (again.write().word, again.copy().word) == ("first", "first")
    assert (first.ran, again.ran) == (["write", "copy"], [])
    assert again.log.records == first.log.records


def test_a_record_says_what_went_in_what_came_out_and_what_it_took(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.write(weights="as given")
    [record] = works.log.records
    assert (record.name, record.iteration, record.inputs) == ("write", 1, {"weights": "as given"})
    assert list(record.outputs) == ["1/words"]
    assert (record.tokens, record.metrics) == (7, {"word": "first"})


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_stage_whose_file_is_not_what_it_was_runs_again_with_all_that_read_it(
    tmp_path: Path, harm: str
) -> None:
    before = Works(tmp_path)
    before.write()
    before.copy()
    file = tmp_path / "1" / "words" / "word.txt"
    file.write_text("tampered") if harm == "changed" else file.unlink()
    after = Works(tmp_path)
    after.word = "second"
    assert (after.write().word, after.copy().word) == ("second", "second")
    assert after.ran == ["write", "copy"]


def test_a_stage_that_is_given_something_else_runs_again(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.write(weights="a")
    works.write(weights="b")
    works.write(weights="b")
    works.write(weights="a")  # the files are those of b
    assert works.ran == ["write"] * 3


def test_iterations_are_apart(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.write(1)
    works.write(2)
    assert works.ran == ["write", "write"]
    assert sorted(works.log.of(2)) == ["write"]


def test_a_stage_that_failed_leaves_no_record(tmp_path: Path) -> None:
    log = StageLog(tmp_path, {})

    def fail(stage: Stage) -> Said:
        stage.output("half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log.stage("half", Said, fail)
    assert StageLog(tmp_path, {}).records == ()


def test_a_line_that_a_kill_cut_off_is_no_stage(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.write(1)
    works.write(2)
    file = tmp_path / "stages.jsonl"
    text = file.read_text()
    file.write_text(text[:-20])
    again = Works(tmp_path)
    assert [record.iteration for record in again.log.records] == [1]
    again.write(2)
    assert [record.iteration for record in Works(tmp_path).log.records] == [1, 2]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    Works(tmp_path).write()
    file = tmp_path / "stages.jsonl"
    file.write_text("{}\n" + file.read_text())
    with pytest.raises(DataError, match=r"stages\.jsonl, line 1"):
        Works(tmp_path)


def test_a_loop_that_was_told_otherwise_is_refused_and_what_changed_is_named(
    tmp_path: Path,
) -> None:
    Works(tmp_path, samples=4, seed=0)
    with pytest.raises(ConfigError, match=r"settings\.samples, settings\.seed changed"):
        Works(tmp_path, samples=5, seed=1)
