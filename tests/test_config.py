from pathlib import Path

import pytest

from cogitate.agents import Verifier
from cogitate.config import Configuration, TeamConfig
from cogitate.errors import ConfigError
from cogitate.graphs import Budget
from cogitate.tasks import NumericGrader


def written(folder: Path, text: str, name: str = "team.toml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    toml = written(
        tmp_path,
        """
        strategy = "self-refine?rounds=2"
        seed = 3
        [team]
        model = "openai/all"
        base_url = "http://127.0.0.1:9/v1"
        [team.critic]
        model = "hf/smollm2-135m"
        temperature = 0
        [budget]
        tokens = 4000
        """,
    )
    yaml = written(
        tmp_path,
        """
        strategy: self-refine?rounds=2
        seed: 3
        team:
          model: openai/all
          base_url: http://127.0.0.1:9/v1
          critic: {model: hf/smollm2-135m, temperature: 0}
        budget: {tokens: 4000}
        """,
        "team.yaml",
    )
    read = Configuration.read(toml)
    team = read.team.team()

    assert read == Configuration.read(yaml)
    assert (read.strategy, read.seed) == (("self-refine?rounds=2",), 3)
    assert read.budget.budget() == Budget(tokens=4000)
    assert team.generator.base_url == "http://127.0.0.1:9/v1"
    assert (team.critic.model, team.critic.base_url) == ("hf/smollm2-135m", None)
    assert (team.critic.temperature, team.generator.temperature) == (0, 0.7)


def test_an_empty_file_says_nothing_and_is_no_mistake(tmp_path: Path) -> None:
    assert Configuration.read(written(tmp_path, "", "a.yml")) == Configuration()
    assert Configuration.read(written(tmp_path, "")) == Configuration()


def test_a_role_may_have_several_agents(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        [[team.generator]]
        name = "bold"
        temperature = 1.2
        [[team.generator]]
        name = "careful"
        """,
    )
    team = Configuration.read(file).team.team()
    assert [(agent.name, agent.temperature) for agent in team.playing("generator")] == [
        ("bold", 1.2),
        ("careful", 0.7),
    ]


def test_a_grader_may_verify() -> None:
    team = TeamConfig.model_validate({"verifier": "grader:numeric"}).team()
    assert isinstance(team.grader, NumericGrader)
    assert team.oracle


def test_a_reward_model_may_verify_beside_a_grader() -> None:
    prm = {"model": "hf/some-prm", "method": "reward", "reduce": "min"}
    team = TeamConfig.model_validate({"verifier": [prm, "grader:numeric"]}).team()
    first, second = team.verifiers
    assert isinstance(first, Verifier) and (first.method, first.reduce) == ("reward", "min")
    assert second is team.grader and team.oracle


def test_an_adapter_belongs_to_the_teams_own_model() -> None:
    team = TeamConfig.model_validate({"adapter": "runs/a", "critic": "hf/other"}).team()
    assert (team.generator.adapter, team.critic.adapter) == ("runs/a", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[team]\nmodle = 'hf/x'", "there is no key team.modle: did you mean 'model'"),
        ("[team.critic]\ntemprature = 1", "there is no key team.critic.temprature: did you mean"),
        ("max_tokens = 9", r"there is no key max_tokens: it belongs in \[team\]"),
        ("[budget]\nstrategy = 'direct'", "there is no key budget.strategy: it belongs at the top"),
        ("[[team.critic]]\n[[team.critic]]\nx = 1", r"there is no key team.critic\[1\].x: known"),
        ("[budget]\ntokens = 'many'", "budget.tokens: .*, got 'many'"),
        ("[team]\ncritic = 7", "team.critic: .*, got 7"),
        ("seed = 'x'", "seed: .*, got 'x'"),
        ("[team\n", "it is no TOML: "),
    ],
)
def test_what_a_file_gets_wrong_is_said_with_file_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=r"team\.toml: " + says):
        Configuration.read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "team: [", "it is no YAML: "),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "it is no YAML: "),
        ("a.yaml", "- 1", "the file: "),
        ("a.json", "{}", "ends in .toml, .yaml or .yml: rename it"),
        ("a.toml", "seed = \udcff", "cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=says):
        Configuration.read(file)


@pytest.mark.parametrize(
    ("team", "says"),
    [
        ({"verifier": "grader:nope"}, "no grader has the kind 'nope'"),
        ({"verifier": ["grader", "grader:math"]}, "several graders"),
        ({"critic": {"method": "text"}}, "critic has no method"),
        ({"generator": {"reduce": "min"}}, "generator has no reduce"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "name a model of that server"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_a_team_that_cannot_be_is_refused(team: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TeamConfig.model_validate(team).team()
