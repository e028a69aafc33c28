"""What a loop keeps of a training, and when it warns."""

from pathlib import Path

from cogitate.training import Trained
from cogitate.training.loops.learn import Learned
from cogitate.training.rewards import StepMeans


def trained(*history: StepMeans) -> Trained:
    return Trained(Path("out"), [0.0], 1, 0.0, 1, {}, {}, history)


def test_a_reward_that_rises_without_accuracy_is_warned_of_and_kept() -> None:
    paid_for_nothing = [StepMeans(step=i, reward=i / 10, accuracy=0.5) for i in range(5)]
    learned = Learned.of(trained(*paid_for_nothing))
    assert learned.warning.startswith("\nSIGN reward without accuracy: reward +0.1 a step")
    assert Learned.model_validate_json(learned.model_dump_json()) == learned


def test_an_honest_or_short_training_is_not_warned_of() -> None:
    honest = [StepMeans(step=i, reward=i / 10, accuracy=i / 10) for i in range(5)]
    assert Learned.of(trained(*honest)).warning == ""
    assert Learned.of(trained(*honest[:2])).signs is None
