"""Which weights come from which, told by the records beside them."""

from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.training import Checkpoint, Lineage, lineage
from cogitate.training.lineage import revision


def trained(folder: Path, weights: str, parent: str, parent_revision: str, method: str) -> str:
    """Make the folder of an adapter, and return which weights it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_text(weights)
    (folder / "adapter_config.json").write_text("{}")
    Checkpoint(
        parent=parent,
        parent_revision=parent_revision,
        method=method,
        settings={},
        rows=8,
        data_hash="d",
        metrics={"last_loss": 0.25},
        libraries={},
    ).save(folder)
    return revision(folder)


def chain(root: Path) -> None:
    first = trained(root / "sft", "a", "hf/base", "b" * 16, "sft-lora")
    trained(root / "deep" / "dpo", "b", str(root / "sft"), first, "dpo-lora")
    trained(root / "other", "c", "hf/base", "b" * 16, "sft-lora")


def shape(found: Lineage) -> list[tuple[int, str]]:
    return [(depth, one.folder.name) for root in found.roots for depth, one in root.walk()]


def test_weights_stand_below_those_they_were_trained_from(tmp_path: Path) -> None:
    chain(tmp_path)
    found = lineage(tmp_path)
    assert shape(found) == [(0, "other"), (0, "sft"), (1, "dpo")]
    text = str(found)
    assert "hf/base (bbbbbbbb)" in text
    assert "dpo-lora on 8 rows, loss 0.250" in text


def test_a_parent_is_found_by_its_weights_where_it_was_moved(tmp_path: Path) -> None:
    chain(tmp_path)
    (tmp_path / "sft").rename(tmp_path / "elsewhere")
    assert (1, "dpo") in shape(lineage(tmp_path))


def test_a_folder_that_was_trained_again_is_no_parent(tmp_path: Path) -> None:
    chain(tmp_path)
    trained(tmp_path / "sft", "other weights", "hf/base", "b" * 16, "sft-lora")
    assert (0, "dpo") in shape(lineage(tmp_path))


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
