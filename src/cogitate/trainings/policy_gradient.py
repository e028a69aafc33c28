"""Policy-gradient trainings, one name for each preset: REINFORCE, RLOO, SCST, MRT, A2C, PPO, TRPO.

    base = "hf/smollm2-135m"              # cogitate train ppo run.toml
    problems = "reasoning_gym/chain_sum?size=200&seed=1000"
    output = "runs/ppo"

    [settings]                            # cogitate.training.PPOSettings
    replies = 4
    objective = {clip_high = 0.28}        # what differs from the preset
    schedule = {steps = 50, prompts = 8}

`policy-gradient` composes its own objective. MIXER imitates too, so it needs rows:

    demonstrations = "rows"               # cogitate train mixer run.toml; rows of kind sft
    tail = {warm_up = 10, every = 5, by = 8}
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from cogitate.errors import ConfigError
from cogitate.training.rows import SFTRow
from cogitate.training.trainers import PPOSettings, Sampler, Trained, train_ppo
from cogitate.training.trainers.fit import OnStep
from cogitate.training.trainers.greedy_baseline import WithGreedy
from cogitate.training.trainers.mixer_sampler import Given, MixedSampler, TailSchedule
from cogitate.training.trainers.tokens import Coder
from cogitate.training.trainers.weights import Start
from cogitate.trainings.sampled import PaidSampling
from cogitate.trainings.starts import Starts
from cogitate.trainings.told import RowFiles, of_kind, start_of

__all__ = ["PRESETS", "Mixer", "PolicyGradient"]


_SCHEDULE: dict[str, object] = {
    "prompts": 16,
    "learning_rate": 2e-5,
    "value_learning_rate": 1e-3,
}
"""The value head begins with zeros, so it learns faster."""


class PolicyGradient(PaidSampling):
    """Any objective of the policy-gradient trainer."""

    method = "policy-gradient"
    defaults: ClassVar[Mapping[str, object]] = {"schedule": _SCHEDULE}
    """Settings where the file says nothing: of sections, key by key."""

    settings: PPOSettings = PPOSettings()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        settings = given.get("settings", {})
        if not isinstance(settings, dict):
            return given
        filled = dict(settings)
        for name, default in cls.defaults.items():
            said = settings.get(name, {})
            if isinstance(default, dict) and isinstance(said, dict):
                filled[name] = {**default, **said}
            else:
                filled.setdefault(name, default)
        return {**given, "settings": filled}

    @property
    def temperature(self) -> float:
        """At which the policy samples."""
        return self.settings.temperature

    def train(self, starts: Starts, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        return train_ppo(
            starts.rows,
            self._sampler(starts),
            self.base,
            output,
            self.settings,
            start=start_of(self.start),
            on_step=on_step,
        )

    def _sampler(self, starts: Starts) -> Sampler:
        sampler = self.sampler(starts)
        if self.settings.objective.estimator == "greedy":
            return WithGreedy(sampler, self.sampler(starts, temperature=0.0))
        return sampler


class Mixer(PolicyGradient):
    """Imitates the beginning of given responses, and is paid for the end."""

    method = "mixer"
    defaults: ClassVar[Mapping[str, object]] = {
        "objective": {"preset": "mixer"},
        "schedule": _SCHEDULE,
    }

    demonstrations: RowFiles
    """Rows of kind sft: the first of each problem is given."""
    tail: TailSchedule = TailSchedule()

    def train(self, starts: Starts, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer, with the problems that were demonstrated."""
        rows = {row.problem: row for row in reversed(of_kind(self.demonstrations, SFTRow))}
        coder = Coder(Start.at(self.base).folder)
        given = {
            problem: Given(row.prompt_ids, row.completion_ids)
            for problem, row in rows.items()
            if row.prompt_ids and row.completion_ids and not row.prefix and coder.owns(row.source)
        }
        known = [one for one in starts.rows if one.problem in given and not one.prefix]
        if not known:
            raise ConfigError(
                f"no problem of {self.problems} is in {', '.join(self.demonstrations)} with tokens "
                f"of {self.base}: harvest replies of that model to these problems"
            )
        sampler = MixedSampler(self._sampler(starts), given, coder.encoder.decode, self.tail)
        trained = train_ppo(
            known,
            sampler,
            self.base,
            output,
            self.settings,
            start=start_of(self.start),
            on_step=on_step,
        )
        left = {**trained.counts, "not_demonstrated": len(starts.rows) - len(known)}
        return trained._replace(counts=left)


def _preset(name: str, *, replies: int = 1, **schedule: int) -> type[PolicyGradient]:
    """Return the training of one preset, with what it needs besides."""

    class Preset(PolicyGradient):
        method = name
        defaults: ClassVar[Mapping[str, object]] = {
            "objective": {"preset": name},
            "schedule": {**_SCHEDULE, **schedule},
            "replies": replies,
        }

    return Preset


PRESETS: tuple[type[PolicyGradient], ...] = (
    _preset("reinforce"),
    _preset("rloo", replies=4),
    _preset("scst"),
    _preset("mrt", replies=8),
    _preset("a2c"),
    _preset("ppo", minibatches=2),
    _preset("trpo"),
)
"""By the name of the preset."""
