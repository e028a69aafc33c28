"""Trained weights on the Hugging Face hub, with a card. Nothing is pushed without being asked.

What is uploaded is copied first into a folder of its own: safetensors, the files that say how to
load them, the record and the card; never the checkpoints of a trainer or what was thought. Paths of
this machine are cut down to names in it. A repository is private unless one is told otherwise, and
one that is public already is not written to without that.
"""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from cogitate.errors import ConfigError, EngineError
from cogitate.training.checkpoint import FILE, Checkpoint
from cogitate.training.model_card import licence_of, model_card, named

__all__ = ["Hub", "Repository", "check_repository", "prepare", "push", "the_hub"]

_KEPT = (".safetensors", ".json", ".jinja", ".model")
_NAMED = ("merges.txt", "vocab.txt", "metrics.jsonl")
"""Of forms that might hold anything, such as rows."""
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class Repository(Protocol):
    """What the hub says of a repository."""

    @property
    def private(self) -> bool | None:
        """Whether others cannot see it."""
        ...


class Hub(Protocol):
    """What pushing asks of the hub, as `huggingface_hub.HfApi` has it."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        """Make a repository where there is none."""
        ...

    def model_info(self, repo_id: str) -> Repository:
        """Describe a repository."""
        ...

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> object:
        """Upload all files of a folder."""
        ...


def check_repository(repository: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        ConfigError: It is not `user/name`.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError(f"{repository!r} is no repository: write user/name")


def push(
    folder: str | Path,
    repository: str,
    *,
    private: bool = True,
    licence: str | None = None,
    base: str | None = None,
    hub: Hub | None = None,
) -> str:
    """Upload trained weights and their card, and return where they are.

    Args:
        folder: What a trainer made.
        repository: `user/name`; it is made where it is missing.
        private: False shows it to everyone.
        licence: Of the weights; by default what the base states.
        base: What the hub knows the base as; by default its name here.
        hub: The hub; by default `huggingface_hub`, with the key that it finds.

    Raises:
        ConfigError: No such folder or repository, no key, a base that is only a folder here, or a
            public repository where a private one was asked for.
        EngineError: The hub did not take it.
    """
    check_repository(repository)
    hub = hub or the_hub()
    with tempfile.TemporaryDirectory() as made:
        staged = prepare(folder, Path(made), repository, licence=licence, base=base)
        try:
            hub.create_repo(repository, private=private, exist_ok=True)
            is_private = hub.model_info(repository).private
            if private and not is_private:
                raise ConfigError(
                    f"{repository} is public: say that it may be (private=False), or give another"
                )
            hub.upload_folder(
                repo_id=repository,
                folder_path=str(staged),
                commit_message=f"{Checkpoint.load(staged).method}, by Cogitate",
            )
        except (OSError, ValueError) as error:  # what huggingface_hub raises is one of these
            if isinstance(error, ConfigError):
                raise
            raise EngineError(f"{repository}: the hub did not take it ({error})") from error
    return f"https://huggingface.co/{repository}"


def prepare(
    folder: str | Path,
    staged: Path,
    repository: str,
    *,
    licence: str | None = None,
    base: str | None = None,
) -> Path:
    """Put what is uploaded into a folder, and return it.

    Args:
        folder: What a trainer made.
        staged: The folder to fill; it is empty.
        repository: Its name stands in the card.
        licence: See `push`.
        base: See `push`.

    Raises:
        ConfigError: There are no safetensors, no record, or no name for the base.
    """
    folder = Path(folder)
    record = Checkpoint.load(folder)
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder} has no safetensors: push a folder that a trainer made")
    known = base or _hub_name(record.base or record.parent)
    for file in sorted(folder.iterdir()):
        kept = file.suffix in _KEPT or file.name in _NAMED
        if file.is_file() and kept and not file.name.startswith("."):
            shutil.copy(file, staged / file.name)
    _rewrite(staged / "adapter_config.json", {"base_model_name_or_path": known})
    _rewrite(staged / FILE, {"base": known, "parent": Path(record.parent).name})
    _rewrite(staged / "judged.json", {})
    terms = licence or licence_of(record.base or record.parent)
    card = model_card(folder, name=repository, base=known, licence=terms)
    (staged / "README.md").write_text(card, encoding="utf-8")
    return staged


def the_hub() -> Hub:
    """Return the hub, with the key that `huggingface_hub` finds.

    Raises:
        ConfigError: There is no key.
    """
    from huggingface_hub import HfApi, get_token  # imports slowly

    if get_token() is None:
        raise ConfigError("there is no key for the hub: `hf auth login`, or set HF_TOKEN")
    return HfApi()


def _hub_name(base: str) -> str:
    from cogitate.inference.hf.embedded import EMBEDDED

    name = base.removeprefix("hf/")
    if name in EMBEDDED or (re.fullmatch(_REPOSITORY, name) and not Path(name).exists()):
        return name
    raise ConfigError(
        f"{name} is a folder of this machine, which nobody else could load: say what the hub knows "
        "it as (base=)"
    )


def _rewrite(file: Path, new: dict[str, JsonValue]) -> None:
    """Change some values of a JSON file, and cut paths of this machine down to names."""
    if not file.exists():
        return
    said: JsonValue = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(said, dict)
    file.write_text(json.dumps(named(said | new), indent=2) + "\n", encoding="utf-8")
