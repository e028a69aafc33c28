"""What every kind of trainer records of where its weights come from, read back as one chain."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_rows import FAST, preference, preferences, reply, sft
from typer.testing import CliRunner

from cogitate.cli.app import app
from cogitate.inference.hf.adapter_files import revision_of
from cogitate.inference.hf.locate import fingerprint
from cogitate.training import (
    Checkpoint,
    DPOSettings,
    FullWeights,
    LoRA,
    SFTSettings,
    lineage,
    train_dpo,
    train_sft,
)
from cogitate.training.trainers import (
    BFPOSettings,
    Objective,
    PolicyGradientSettings,
    PolicyGradientTrainer,
    Rollout,
    SafetyPair,
    Schedule,
    train_bfpo,
)
from cogitate.training.trainers.merge import merge


@pytest.fixture(scope="module")
def run(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapter upon adapter, merged, and a whole model trained from that."""
    run, base = tmp_path_factory.mktemp("run"), str(tiny_llama)
    imitate = SFTSettings(optimisation=FAST, adapter=LoRA(rank=4))
    prefer = DPOSettings(optimisation=FAST, adapter=LoRA(rank=4))
    first = train_sft([sft()], base, run / "1" / "critic-sft", imitate).folder
    train_sft([sft("42")], base, run / "1" / "refiner-sft", imitate)
    second = train_dpo(preferences(), base, run / "1" / "critic-dpo", prefer, start=first).folder
    merged = merge(base, second, run / "2" / "merged")
    whole = SFTSettings(optimisation=FAST, adapter=FullWeights())
    train_sft([sft()], str(merged), run / "2" / "whole", whole)
    return run


def told(*arguments: str) -> str:
    """What a command writes."""
    return CliRunner().invoke(app, list(arguments)).stdout


def test_a_run_reads_as_a_tree_of_adapters_by_role_merged_and_whole_models(run: Path) -> None:
    found = lineage(run)
    shape = [(depth, one.folder.name) for root in found.roots for depth, one in root.walk()]
    assert shape == [
        (0, "critic-sft"), (1, "critic-dpo"), (2, "merged"), (3, "whole"), (0, "refiner-sft"),
    ]  # fmt: skip
    everything = [one for root in found.roots for _, one in root.walk()]
    assert [one.faults for one in everything] == [()] * 5
    assert [one.revision for one in everything] == [one.checkpoint.revision for one in everything]


def test_the_command_tells_the_tree_and_json_all_of_every_record(
    run: Path, tiny_llama: Path
) -> None:
    lines = told("models", str(run / "2" / "whole")).splitlines()
    assert lines[0].startswith(f"{tiny_llama} (")
    for depth, (name, method) in enumerate(
        (
            ("1/critic-sft", "sft-lora on 1 rows"),
            ("1/critic-dpo", "dpo-lora on 4 rows"),
            ("2/merged", "dpo-lora on 4 rows, merged into its base"),
            ("2/whole", "sft-full on 1 rows"),
        )
    ):
        assert lines[1 + 2 * depth].startswith(f"{'  ' * (depth + 1)}{run / name} (")
        assert lines[1 + 2 * depth].endswith(method), lines
        said = Checkpoint.load(run / name)
        assert f"data {said.data_hash[:8]}, first_loss" in lines[2 + 2 * depth]

    everything = json.loads(told("models", str(run), "--json"))
    assert everything["unreadable"] == [] and len(everything["weights"]) == 5
    [whole] = [one for one in everything["weights"] if one["folder"] == str(run / "2" / "whole")]
    assert whole["parent_folder"] == str(run / "2" / "merged")
    assert whole["record"] == Checkpoint.load(run / "2" / "whole").model_dump(mode="json")
    assert whole["record"]["libraries"]["torch"] and whole["record"]["metrics"]["last_loss"]


def test_trainers_of_our_own_name_the_adapter_that_they_began_with(
    run: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    start, base = run / "1" / "critic-sft", str(tiny_llama)

    def rollouts(prompts: Sequence[int], step: int) -> list[Rollout]:
        return [
            Rollout(
                prompt_ids=(70, 71),
                completion_ids=(80 + n,),
                logprobs=(-1.0,),
                reward=float(n),
                group="g",
            )
            for n in range(2)
        ]

    settings = PolicyGradientSettings(
        objective=Objective.model_validate("rloo"), schedule=Schedule(steps=1, prompts=1), rank=4
    )
    PolicyGradientTrainer[int](base, tmp_path / "pg", settings, adapter=start).train([0], rollouts)
    which = fingerprint(tiny_llama)
    pair = preference(reply("yes", (80, 81), which), reply("no", (82, 83), which, value=0.0))
    train_bfpo(
        [SafetyPair(pair, True, False)],
        base,
        tmp_path / "bfpo",
        BFPOSettings(rank=4),
        adapter=start,
    )

    for folder in (tmp_path / "pg" / "policy", tmp_path / "bfpo"):
        said = Checkpoint.load(folder)
        assert (said.parent, said.parent_revision) == (str(start), revision_of(start))
        assert (said.base, said.base_revision) == (base, which)
        assert said.revision == revision_of(folder)
