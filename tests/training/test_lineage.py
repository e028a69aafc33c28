"""Which weights come from which, told by the records beside them."""

import shutil
from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.training import Checkpoint, Descendant, Lineage, lineage
from cogitate.training.checkpoint import revision


def trained(
    folder: Path,
    weights: str,
    parent: str,
    parent_revision: str,
    method: str,
    *,
    whole: bool = False,
    merged: str = "",
    torch: str = "2.9",
) -> str:
    """Make the folder of an adapter or a whole model, and return which weights it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "model" if whole else "adapter_model"
    (folder / f"{name}.safetensors").write_text(weights)
    (folder / ("config.json" if whole else "adapter_config.json")).write_text("{}")
    Checkpoint(
        parent=parent,
        parent_revision=parent_revision,
        base="hf/base",
        base_revision="b" * 16,
        merged=merged,
        method=method,
        settings={},
        rows=8,
        data_hash="d" * 32,
        counts={"too_long": 3, "reencoded": 0},
        metrics={"last_loss": 0.25, "name": "no number"},
        libraries={"torch": torch},
    ).save(folder)
    return revision(folder)


def chain(root: Path) -> None:
    first = trained(root / "sft", "a", "hf/base", "b" * 16, "sft-lora")
    trained(root / "deep" / "dpo", "b", str(root / "sft"), first, "dpo-lora")
    trained(root / "other", "c", "hf/base", "b" * 16, "sft-lora")


def shape(found: Lineage) -> list[tuple[int, str]]:
    return [(depth, one.folder.name) for root in found.roots for depth, one in root.walk()]


def of(found: Lineage, name: str) -> Descendant:
    [one] = [one for root in found.roots for _, one in root.walk() if one.folder.name == name]
    return one


def test_weights_stand_below_those_they_were_trained_from(tmp_path: Path) -> None:
    chain(tmp_path)
    found = lineage(tmp_path)
    assert shape(found) == [(0, "other"), (0, "sft"), (1, "dpo")]
    dpo = tmp_path / "deep" / "dpo"
    lines = str(found).splitlines()
    assert lines[0] == "hf/base (bbbbbbbb), the base"
    assert lines[-3:] == [
        f"    {dpo} ({revision(dpo)[:8]}): dpo-lora on 8 rows",
        "        data dddddddd, last_loss 0.25, too_long: 3",
        "made with torch 2.9: all",
    ]


def test_a_base_that_is_not_at_hand_is_said_of_what_was_trained_from_it(tmp_path: Path) -> None:
    chain(tmp_path)
    found = lineage(tmp_path)
    said = "its parent hf/base (bbbbbbbb) is not on this machine"
    assert of(found, "sft").faults == (said,)
    assert of(found, "dpo").faults == ()
    assert f"    ! {said}" in str(found)


def test_a_base_that_holds_the_weights_that_training_began_with_is_no_fault(
    tmp_path: Path,
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "model.safetensors").write_text("weights")
    (base / "config.json").write_text("{}")
    trained(tmp_path / "runs" / "sft", "a", f"hf/{base}", revision(base), "sft-lora")
    assert of(lineage(tmp_path / "runs"), "sft").faults == ()
    before = revision(base)
    (base / "model.safetensors").write_text("others")
    [fault] = of(lineage(tmp_path / "runs"), "sft").faults
    assert fault == (
        f"hf/{base} holds other weights now: training began with {before[:8]}, and there is "
        f"{revision(base)[:8]}"
    )


def test_a_parent_is_found_by_its_weights_where_it_was_moved(tmp_path: Path) -> None:
    chain(tmp_path)
    (tmp_path / "sft").rename(tmp_path / "elsewhere")
    assert (1, "dpo") in shape(lineage(tmp_path))


def test_one_folder_shows_the_whole_chain_up_to_the_base(tmp_path: Path) -> None:
    chain(tmp_path)
    second = revision(tmp_path / "deep" / "dpo")
    trained(tmp_path / "last", "e", str(tmp_path / "deep" / "dpo"), second, "grpo-lora")
    found = lineage(tmp_path / "last")
    assert shape(found) == [(0, "sft"), (1, "dpo"), (2, "last")]
    assert of(found, "last").parent == tmp_path / "deep" / "dpo"


def test_a_chain_whose_run_was_moved_is_found_beside_the_folder(tmp_path: Path) -> None:
    first = trained(tmp_path / "run" / "sft", "a", "hf/base", "b" * 16, "sft-lora")
    trained(tmp_path / "run" / "dpo", "b", str(tmp_path / "run" / "sft"), first, "dpo-lora")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert shape(lineage(tmp_path / "moved" / "dpo")) == [(0, "sft"), (1, "dpo")]


def test_a_folder_that_was_trained_again_is_no_parent(tmp_path: Path) -> None:
    chain(tmp_path)
    before = revision(tmp_path / "sft")
    now = trained(tmp_path / "sft", "other weights", "hf/base", "b" * 16, "sft-lora")
    found = lineage(tmp_path)
    assert (0, "dpo") in shape(found)
    [fault] = of(found, "dpo").faults
    assert f"{tmp_path / 'sft'} holds other weights now" in fault
    assert before[:8] in fault and now[:8] in fault
    assert f"dpo-lora on 8 rows, from {tmp_path / 'sft'} ({before[:8]})" in str(found)


def test_a_parent_that_is_gone_is_said(tmp_path: Path) -> None:
    chain(tmp_path)
    before = revision(tmp_path / "sft")
    shutil.rmtree(tmp_path / "sft")
    [fault] = of(lineage(tmp_path), "dpo").faults
    assert fault == f"its parent {tmp_path / 'sft'} ({before[:8]}) is not on this machine"


def test_files_that_have_changed_are_said_and_their_children_stay_below_them(
    tmp_path: Path,
) -> None:
    chain(tmp_path)
    before = revision(tmp_path / "sft")
    (tmp_path / "sft" / "adapter_model.safetensors").write_text("changed")
    found = lineage(tmp_path)
    assert (1, "dpo") in shape(found)
    assert of(found, "sft").faults[0] == f"its files have changed: {before[:8]} was saved"
    (tmp_path / "sft" / "adapter_model.safetensors").unlink()
    assert of(lineage(tmp_path), "sft").faults[0] == "it holds no weights any more"


def test_a_merged_model_stands_below_its_adapter_and_without_it_below_what_that_came_from(
    tmp_path: Path,
) -> None:
    chain(tmp_path)
    first, second = revision(tmp_path / "sft"), revision(tmp_path / "deep" / "dpo")
    sft = str(tmp_path / "sft")
    trained(tmp_path / "model", "m", sft, first, "dpo-lora", whole=True, merged=second)
    found = lineage(tmp_path)
    assert shape(found) == [(0, "other"), (0, "sft"), (1, "dpo"), (2, "model")]
    assert "dpo-lora on 8 rows, merged into its base" in str(found)
    shutil.rmtree(tmp_path / "deep")
    found = lineage(tmp_path)
    assert shape(found) == [(0, "other"), (0, "sft"), (1, "model")]
    assert of(found, "model").faults == ()


def test_what_training_left_as_it_was_is_listed_once_however_alike_it_is(tmp_path: Path) -> None:
    first = trained(tmp_path / "sft", "a", "hf/base", "b" * 16, "sft-lora")
    for name in ("one", "two"):  # both hold what they began with, so each could be the other's
        trained(tmp_path / name, "a", str(tmp_path / "gone"), first, "dpo-lora")
    shutil.rmtree(tmp_path / "sft")
    assert sorted(name for _, name in shape(lineage(tmp_path))) == ["one", "two"]


def test_libraries_are_told_apart_where_they_differ(tmp_path: Path) -> None:
    trained(tmp_path / "old", "a", "hf/base", "b" * 16, "sft-lora", torch="2.8")
    trained(tmp_path / "new", "c", "hf/base", "b" * 16, "sft-lora")
    text = str(lineage(tmp_path))
    assert f"made with torch 2.8: {tmp_path / 'old'}" in text
    assert f"made with torch 2.9: {tmp_path / 'new'}" in text


def test_a_record_of_before_there_were_more_fields_is_read(tmp_path: Path) -> None:
    trained(tmp_path / "sft", "a", "hf/base", "b" * 16, "sft-lora")
    said = Checkpoint.load(tmp_path / "sft")
    old = said.model_dump_json(exclude={"revision", "merged", "base", "base_revision"})
    (tmp_path / "sft" / "cogitate.json").write_text(old)
    assert str(lineage(tmp_path)).startswith("hf/base (bbbbbbbb), the base")


def test_a_broken_record_does_not_hide_the_others(tmp_path: Path) -> None:
    chain(tmp_path)
    (tmp_path / "other" / "cogitate.json").write_text("{}")
    found = lineage(tmp_path)
    assert shape(found) == [(0, "sft"), (1, "dpo")]
    assert len(found.unreadable) == 1 and "other" in found.unreadable[0]


def test_what_is_not_finished_is_not_looked_at(tmp_path: Path) -> None:
    trained(tmp_path / ".sft.unfinished" / "finished", "a", "hf/base", "", "sft-lora")
    assert lineage(tmp_path).roots == ()


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        lineage(tmp_path / "none")
