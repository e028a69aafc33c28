"""What would be uploaded to the hub, and what its card says; the hub is a stand-in."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from cogitate.errors import ConfigError, EngineError
from cogitate.tasks import Problem, ProblemSet
from cogitate.training import Checkpoint, DevRun, Outcome, promote, push, summarise

DEV = ProblemSet("dev", [Problem(id=f"p{i}", prompt=f"What is {i} + {i}?") for i in range(100)])


@dataclass(frozen=True)
class Repository:
    private: bool


@dataclass
class Stub:
    """A hub that keeps what it is given."""

    public: bool = False
    fails: bool = False
    made: list[tuple[str, bool]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.made.append((repo_id, private))

    def model_info(self, repo_id: str) -> Repository:
        return Repository(private=not self.public and self.made[-1][1])

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        if self.fails:
            raise OSError("no route")
        self.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


def outcomes(right: int) -> list[Outcome]:
    return [
        Outcome(
            problem=one.id, reply="Answer: 1", answer="1", score=float(i < right), prompt_tokens=1,
            cached_tokens=0, completion_tokens=1, calls=1, money=0, stopped=None, errors=(),
            seconds=0,
        )
        for i, one in enumerate(DEV)
    ]  # fmt: skip


def judged(before: int, after: int) -> str:
    old, new = outcomes(before), outcomes(after)
    decided = promote(DevRun("/runs/sft", old), DevRun("/runs/dpo", new), dev=DEV, seen=[])
    return json.dumps(
        {
            "promotion": decided.model_dump(mode="json"),
            "before": summarise(old, name="old", seconds=1).model_dump(mode="json"),
            "after": summarise(new, name="new", seconds=1).model_dump(mode="json"),
        }
    )


def trained(folder: Path, parent: str, method: str) -> Path:
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "/home/me/cache/smollm2-135m", "r": 8})
    )
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "optimizer.pt").write_bytes(b"another")
    (folder / "judged.db").write_bytes(b"thoughts")
    (folder / "rows.jsonl").write_text("what was thought")
    (folder / "notes.txt").write_text("my own")
    Checkpoint(
        parent=parent,
        parent_revision="0123456789abcdef",
        base="hf/smollm2-135m",
        base_revision="fedcba",
        method=method,
        settings={"optimisation": {"epochs": 3}, "teacher": f"hf/{folder.parent}/teacher"},
        rows=120,
        data_hash="d1d2d3",
        counts={"too_long": 4},
        metrics={"last_loss": 0.25},
        libraries={"trl": "1.16.0"},
    ).save(folder)
    return folder


@pytest.fixture
def dpo(tmp_path: Path) -> Path:
    """Weights that came from others, judged better."""
    sft = trained(tmp_path / "sft", "hf/smollm2-135m", "sft-lora")
    folder = trained(tmp_path / "dpo", str(sft), "dpo-lora")
    (folder / "judged.json").write_text(judged(20, 60))
    return folder


def test_only_weights_and_what_loads_them_are_uploaded_and_nobody_else_sees_them(dpo: Path) -> None:
    hub = Stub()
    assert push(dpo, "me/dpo", hub=hub) == "https://huggingface.co/me/dpo"
    assert hub.made == [("me/dpo", True)]
    assert sorted(hub.files) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "cogitate.json",
        "judged.json",
    ]
    assert hub.files["adapter_model.safetensors"] == b"weights"


def test_no_path_of_this_machine_is_uploaded(dpo: Path) -> None:
    hub = Stub()
    push(dpo, "me/dpo", hub=hub)
    assert json.loads(hub.files["adapter_config.json"])["base_model_name_or_path"] == "smollm2-135m"
    assert json.loads(hub.files["cogitate.json"])["parent"] == "sft"
    for name, held in hub.files.items():
        assert b'"/' not in held and str(dpo.parent).encode() not in held, name


def test_the_card_says_where_the_weights_come_from_and_how_good_they_are(dpo: Path) -> None:
    hub = Stub()
    push(dpo, "me/dpo", hub=hub, base="HuggingFaceTB/SmolLM2-135M-Instruct")
    card = hub.files["README.md"].decode()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "license": "apache-2.0",  # the base's own
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "library_name": "peft",
        "tags": ["cogitate", "reasoning", "dpo-lora"],
    }
    for said in (
        "`dpo-lora` on 120 rows",
        "| before | 20.0% | 13.3% to 28.9% | 100.0% | 100 |",  # Wilson's interval of 20 of 100
        "| after | 60.0% | 50.2% to 69.1% | 100.0% | 100 |",
        "significantly better",
        "- `dpo`: `dpo-lora` on 120 rows, from `sft`",
        "- `sft`: `sft-lora` on 120 rows, from `smollm2-135m`",
        "`d1d2d3`",
        "| too_long | 4 |",
        "| last_loss | 0.25 |",
        "| trl | 1.16.0 |",
        '"epochs": 3',
        'adapter=snapshot_download("me/dpo")',
    ):
        assert said in body, said


def test_a_base_without_a_licence_is_said_to_have_none_that_is_known(dpo: Path) -> None:
    record = json.loads((dpo / "cogitate.json").read_text()) | {"base": "org/model"}
    (dpo / "cogitate.json").write_text(json.dumps(record))
    hub = Stub()
    push(dpo, "me/dpo", hub=hub)
    assert "license: unknown" in hub.files["README.md"].decode()
    push(dpo, "me/dpo", hub=hub, licence="mit")
    assert "license: mit" in hub.files["README.md"].decode()


def test_the_licence_in_the_card_of_a_base_is_carried_over(dpo: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "README.md").write_text("---\nlicense: llama3.2\n---\n# A base\n")
    record = json.loads((dpo / "cogitate.json").read_text()) | {"base": str(base)}
    (dpo / "cogitate.json").write_text(json.dumps(record))
    hub = Stub()
    with pytest.raises(ConfigError, match="which nobody else could load"):
        push(dpo, "me/dpo", hub=hub)
    push(dpo, "me/dpo", hub=hub, base="meta/base")
    assert "license: llama3.2" in hub.files["README.md"].decode()


def test_a_public_repository_is_not_written_to_unless_that_is_asked_for(dpo: Path) -> None:
    hub = Stub(public=True)
    with pytest.raises(ConfigError, match="me/dpo is public"):
        push(dpo, "me/dpo", hub=hub)
    assert hub.files == {}
    push(dpo, "me/dpo", hub=hub, private=False)
    assert hub.files


@pytest.mark.parametrize("name", ["dpo", "me/", "a/b/c", "me/d po"])
def test_what_is_no_repository_is_refused(dpo: Path, name: str) -> None:
    hub = Stub()
    with pytest.raises(ConfigError, match="write user/name"):
        push(dpo, name, hub=hub)
    assert hub.made == []


def test_weights_that_are_pickles_are_not_pushed(dpo: Path) -> None:
    (dpo / "adapter_model.safetensors").rename(dpo / "adapter_model.bin")
    with pytest.raises(ConfigError, match="no safetensors"):
        push(dpo, "me/dpo", hub=Stub())


def test_a_hub_that_fails_is_named(dpo: Path) -> None:
    with pytest.raises(EngineError, match="the hub did not take it"):
        push(dpo, "me/dpo", hub=Stub(fails=True))


def test_without_a_key_nothing_begins(dpo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(dpo / "none"))
    with pytest.raises(ConfigError, match="no key for the hub"):
        push(dpo, "me/dpo")


def test_what_was_judged_no_better_is_not_published(dpo: Path) -> None:
    from cogitate.trainings.publish import Push  # imports the trainers

    hub, told = Stub(), Push(repository="me/dpo")
    (dpo / "judged.json").write_text(judged(20, 21))
    [said] = told.publish({"": dpo}, hub)
    assert "was not pushed: the gain may be chance" in said
    assert hub.made == []
    (dpo / "judged.json").write_text(judged(20, 60))
    assert told.publish({"generator": dpo}, hub) == [
        f"{dpo} is at https://huggingface.co/me/dpo-generator"
    ]
