"""Which role wears what, and which problems an iteration has."""

from pathlib import Path

import pytest
from learner import sums

from cogitate.agents import Critic, Generator, Refiner, Team, Verifier
from cogitate.errors import ConfigError
from cogitate.inference import Scripted
from cogitate.tasks import Example, Problem, ProblemSet
from cogitate.training import CurrentWeights
from cogitate.training.loops.rounds import rounds
from cogitate.training.loops.weights import (
    as_policy,
    at_temperature,
    base_of,
    begins,
    wear,
    worn_by,
)

HF = "hf/smollm2-135m"


def certain(_problem: Problem, _text: str) -> float:
    return 1.0


def test_every_agent_of_a_role_wears_its_adapter_and_the_others_stay_as_they_are() -> None:
    team = Team(
        [Generator(HF, temperature=0.1), Generator(HF, temperature=0.9)],
        Critic(HF, adapter="old"),
        [Verifier(HF), certain],
        Refiner(HF),
    )
    worn = wear(team, {"generator": Path("new"), "refiner": Path("mended")})
    assert [(one.name, one.adapter, one.temperature) for one in worn.agents] == [
        ("generator-1", "new", 0.1), ("generator-2", "new", 0.9), ("critic", "old", 0.7),
        ("verifier", None, 0.7), ("refiner", "mended", 0.7),
    ]  # fmt: skip
    assert worn.function is certain
    assert worn.verifiers[0] is worn.verifier
    with pytest.raises(ConfigError, match="no agent of the team plays 'judge'"):
        wear(team, {"judge": Path("new")})


def test_a_temperature_is_that_of_all_who_write() -> None:
    cooled = at_temperature(Team.of(HF), 0.3)
    assert {one.role: one.temperature for one in cooled.agents} == {
        "generator": 0.3, "critic": 0.3, "verifier": 0.7, "refiner": 0.3
    }  # fmt: skip


def test_the_model_to_train_is_that_of_the_role_or_must_be_said() -> None:
    assert base_of(Team.of(HF), "critic", None) == HF
    assert base_of(Team.of("vllm/m"), "critic", None) == "hf/m"
    assert base_of(Team.of(HF), "critic", "hf/other") == "hf/other"
    for team in (Team.of(Scripted(["x"])), Team([Generator(HF), Generator("hf/other")])):
        with pytest.raises(ConfigError, match="Give base="):
            base_of(team, "generator", None)


def test_agents_of_a_role_that_wear_different_adapters_are_refused() -> None:
    team = Team([Generator(HF, adapter="a"), Generator(HF, adapter="b")])
    with pytest.raises(ConfigError, match="give all agents of a role the same"):
        worn_by(team, "generator")


def test_problems_are_dealt_out_in_order_and_no_dev_text_is_seen_twice() -> None:
    dev = ProblemSet(
        "dev",
        [
            *sums("dev", 0, 7),
            Problem(id="again", prompt="What is  3 + 1?", reference="4"),
            Problem(id="example", prompt="shown", reference="1"),
        ],
    )
    train = ProblemSet(
        "train",
        sums("train", 5, 5)[:],
        examples=[Example(prompt="shown", response="Answer: 1")],
    )
    found = rounds(train, dev, 2)
    assert [[p.id for p in part] for part in found.train] == [
        ["train5", "train6"],
        ["train7", "train8", "train9"],
    ]
    assert [[p.id for p in part] for part in found.dev] == [
        ["dev0", "dev1"],
        ["dev2", "dev3", "dev4"],
    ]
    assert found.dropped == 4
    assert [part.examples for part in found.train] == [train.examples] * 2


def test_problems_that_are_sampled_again_are_all_in_every_iteration() -> None:
    train = sums("train", 50, 3)
    assert list(rounds(train, sums("dev", 0, 4), 2, reuse=True).train) == [train, train]


def test_fewer_problems_than_iterations_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 iterations need a problem each"):
        rounds(sums("train", 50, 2), sums("dev", 0, 9), 3)
    with pytest.raises(ConfigError, match="give at least 1"):
        rounds(sums("train", 50, 2), sums("dev", 0, 9), 0)


def whole_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_a_whole_model_is_worn_in_place_of_the_other_on_the_same_kind_of_engine(
    tmp_path: Path,
) -> None:
    folder = whole_model(tmp_path / "model")
    team = Team([Generator(HF, adapter="old"), Generator("vllm/m")], Critic(HF))
    worn = wear(team, {"generator": folder})
    assert [(one.model, one.adapter) for one in worn.agents] == [
        (f"hf/{folder}", None), (f"vllm/{folder}", None), (HF, None)
    ]  # fmt: skip


def test_training_goes_on_with_an_adapter_on_its_base_and_with_a_whole_model_alone(
    tmp_path: Path,
) -> None:
    assert begins(HF, None) == (HF, None)
    assert begins(HF, Path("adapter")) == (HF, Path("adapter"))
    folder = whole_model(tmp_path / "model")
    assert begins(HF, folder) == (f"hf/{folder}", None)
    (folder / "adapter_config.json").write_text("{}")
    assert begins(HF, folder) == (HF, folder)


def test_a_policy_takes_the_place_of_its_role_and_leaves_the_others() -> None:
    team = Team([Generator("vllm/m", adapter="old"), Generator(HF)], Critic(HF, adapter="own"))
    policy = as_policy(team, "generator", temperature=0.9)
    now = policy(CurrentWeights("hf/base", "new", 7))
    assert [(one.name, one.model, one.adapter, one.temperature) for one in now.agents] == [
        ("generator-1", "vllm/base", "new", 0.9), ("generator-2", "hf/base", "new", 0.9),
        ("critic", HF, "own", 0.7),
    ]  # fmt: skip
