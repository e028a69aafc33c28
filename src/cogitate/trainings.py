"""What `cogitate train` is told: one file for a training, checked before anything runs.

    base = "hf/smollm2-135m"              # cogitate train sft run.toml
    rows = "rows"                         # what `cogitate harvest` wrote; or a list of these
    output = "runs/sft"

    [settings]                            # of the method, such as cogitate.training.SFTSettings
    optimisation = {epochs = 1}

    output = "runs/star"                  # cogitate train star run.toml
    train = "reasoning_gym/chain_sum?size=100&seed=1000"
    dev = "reasoning_gym/chain_sum?size=200&seed=500000"

    [team]                                # as in the file of a run
    model = "hf/smollm2-135m"

Left out: trainings that sample as they train (GRPO, PPO and the like) and those of reward models
with labels of one's own, which take code.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from cogitate.agents import Team
from cogitate.config import TeamConfig
from cogitate.errors import ConfigError
from cogitate.graphs import strategy_named
from cogitate.tasks import load
from cogitate.training.exports import read_rows
from cogitate.training.loops import (
    MALT,
    MALTSettings,
    Satori,
    SatoriSettings,
    STaR,
    STaRSettings,
)
from cogitate.training.loops.course import LoopSettings
from cogitate.training.loops.progress import Progress, of_steps
from cogitate.training.rows import KTORow, PreferenceRow, RankedRow, Row, SFTRow, StepRow
from cogitate.training.trainers import (
    CurrentWeights,
    DPOSettings,
    KTOSettings,
    Optimisation,
    ORPOSettings,
    ProcessModelSettings,
    RankingModelSettings,
    RewardModelSettings,
    Schedule,
    SFTSettings,
    Trained,
    train_dpo,
    train_kto,
    train_orpo,
    train_process_model,
    train_ranking_model,
    train_reward_model,
    train_sft,
)

__all__ = ["METHODS", "Reported", "Training", "adjusted"]

R = TypeVar("R", bound=Row)
M = TypeVar("M", bound=BaseModel)


class Reported(NamedTuple):
    """A part of the result."""

    text: str
    record: Mapping[str, JsonValue]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    """The folder that it makes, or the run directory of a loop."""


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


_Base = Annotated[str, Field(description="The model's name, or its folder.")]
_RowFiles = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""Folders that `cogitate harvest` wrote, or files of rows; one, or a list."""


def _read(folders: Sequence[str], kind: type[R]) -> list[R]:
    found: list[R] = []
    for folder in folders:
        for row in read_rows(folder, claims="drop"):
            if not isinstance(row, kind):
                raise ConfigError(
                    f"{folder} holds {type(row).__name__}s, and this training needs "
                    f"{kind.__name__}s: harvest the other --kind"
                )
            found.append(row)
    return found


def _start(folder: str | None) -> Path | None:
    return None if folder is None else Path(folder)


def _trained(found: Trained) -> Reported:
    losses = found.losses
    loss = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
    left = ", ".join(f"{name}: {n}" for name, n in found.counts.items() if n)
    text = f"{found.folder}: {found.steps} steps on {found.rows} rows{loss}, {found.seconds:.0f} s"
    return Reported(
        f"{text}\n{left}" if left else text,
        {
            "folder": str(found.folder),
            "steps": found.steps,
            "rows": found.rows,
            "seconds": found.seconds,
            "losses": list(found.losses),
            "counts": dict(found.counts),
            "metrics": dict(found.metrics),
        },
    )


class _SFT(_Told):
    base: _Base
    rows: _RowFiles
    start: str | None = None
    """An adapter of the base to go on with."""
    settings: SFTSettings = SFTSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_sft(
            _read(self.rows, SFTRow),
            self.base,
            Path(self.output),
            self.settings,
            start=_start(self.start),
            on_step=of_steps(progress, "sft"),
        )
        yield _trained(found)


class _DPO(_Told):
    base: _Base
    rows: _RowFiles
    start: str | None = None
    """An adapter of the base to go on with."""
    settings: DPOSettings = DPOSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_dpo(
            _read(self.rows, PreferenceRow),
            self.base,
            Path(self.output),
            self.settings,
            start=_start(self.start),
            on_step=of_steps(progress, "dpo"),
        )
        yield _trained(found)


class _ORPO(_Told):
    base: _Base
    rows: _RowFiles
    start: str | None = None
    """An adapter of the base to go on with."""
    settings: ORPOSettings = ORPOSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_orpo(
            _read(self.rows, PreferenceRow),
            self.base,
            Path(self.output),
            self.settings,
            start=_start(self.start),
            on_step=of_steps(progress, "orpo"),
        )
        yield _trained(found)


class _KTO(_Told):
    base: _Base
    rows: _RowFiles
    start: str | None = None
    """An adapter of the base to go on with."""
    settings: KTOSettings = KTOSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_kto(
            _read(self.rows, KTORow),
            self.base,
            Path(self.output),
            self.settings,
            start=_start(self.start),
            on_step=of_steps(progress, "kto"),
        )
        yield _trained(found)


class _RewardModel(_Told):
    base: _Base
    rows: _RowFiles
    settings: RewardModelSettings = RewardModelSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_reward_model(
            _read(self.rows, PreferenceRow),
            self.base,
            Path(self.output),
            self.settings,
            on_step=of_steps(progress, "reward-model"),
        )
        yield _trained(found)


class _RankingModel(_Told):
    base: _Base
    rows: _RowFiles
    settings: RankingModelSettings = RankingModelSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_ranking_model(
            _read(self.rows, RankedRow),
            self.base,
            Path(self.output),
            self.settings,
            on_step=of_steps(progress, "ranking-model"),
        )
        yield _trained(found)


class _ProcessModel(_Told):
    base: _Base
    rows: _RowFiles
    settings: ProcessModelSettings = ProcessModelSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        found = train_process_model(
            _read(self.rows, StepRow),
            self.base,
            Path(self.output),
            self.settings,
            on_step=of_steps(progress, "process-model"),
        )
        yield _trained(found)


class _STaR(_Told):
    train: str
    """Problems to sample on, as for `cogitate eval`."""
    dev: str
    """Problems to judge on."""
    iterations: int = 2
    strategy: str = "chain-of-thought"
    """How the team thinks when it is judged."""
    team: TeamConfig = TeamConfig()
    first: TeamConfig | None = None
    """Who samples until weights were promoted."""
    base: str | None = None
    settings: STaRSettings = STaRSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        loop = STaR(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            strategy=strategy_named(self.strategy),
            first=None if self.first is None else self.first.team(),
            base=self.base,
            settings=self.settings,
            progress=progress,
        )
        return (Reported(str(one), one.model_dump(mode="json")) for one in loop)


class _MALT(_Told):
    train: str
    """Problems to grow trees on, as for `cogitate eval`."""
    dev: str
    """Problems to judge on."""
    iterations: int = 2
    team: TeamConfig = TeamConfig()
    first: TeamConfig | None = None
    """Who grows the trees until weights were promoted."""
    base: str | None = None
    settings: MALTSettings = MALTSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        loop = MALT(
            self.team.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            first=None if self.first is None else self.first.team(),
            base=self.base,
            settings=self.settings,
            progress=progress,
        )
        return (Reported(str(one), one.model_dump(mode="json")) for one in loop)


class _Satori(_Told):
    base: _Base
    train: str
    """Problems to sample on, as for `cogitate eval`."""
    dev: str
    """Problems to judge on."""
    iterations: int = 2
    agents: TeamConfig = TeamConfig()
    """Who makes chains before the base can."""
    max_tokens: int = Field(default=512, ge=1)
    """Of a chain; it is sampled at the temperature of `settings.policy`."""
    settings: SatoriSettings = SatoriSettings()

    def carry_out(self, progress: Progress | None) -> Iterator[Reported]:
        loop = Satori(
            self._policy,
            base=self.base,
            agents=self.agents.team(),
            train=load(self.train),
            dev=load(self.dev),
            output=self.output,
            iterations=self.iterations,
            settings=self.settings,
            progress=progress,
        )
        return (Reported(str(one), one.model_dump(mode="json")) for one in loop)

    def _policy(self, weights: CurrentWeights) -> Team:
        return Team.of(
            weights.model,
            adapter=weights.adapter,
            temperature=self.settings.policy.temperature,
            max_tokens=self.max_tokens,
            examples=0,
        )


Training = (
    _SFT
    | _DPO
    | _ORPO
    | _KTO
    | _RewardModel
    | _RankingModel
    | _ProcessModel
    | _STaR
    | _MALT
    | _Satori
)
"""What a file says; `carry_out` trains, and yields each part of the result as it comes."""

METHODS: Mapping[str, type[Training]] = {
    "sft": _SFT,
    "dpo": _DPO,
    "orpo": _ORPO,
    "kto": _KTO,
    "reward-model": _RewardModel,
    "ranking-model": _RankingModel,
    "process-model": _ProcessModel,
    "star": _STaR,
    "malt": _MALT,
    "satori": _Satori,
}
"""By the name that the command line knows."""


def adjusted(told: M, *, seed: int | None, report_to: tuple[str, ...] | None) -> M:
    """Return what a file says with a seed and with reporters for all of its trainers.

    Args:
        told: What the file says, or a part of it.
        seed: For sampling and training; None: as the file says.
        report_to: Where metrics go; None: as the file says, and to trackio where it says nothing
            and that is installed.
    """
    new: dict[str, object] = {}
    for name in type(told).model_fields:
        value: object = getattr(told, name)
        if isinstance(value, BaseModel):
            new[name] = adjusted(value, seed=seed, report_to=report_to)
    if isinstance(told, Optimisation | Schedule | LoopSettings) and seed is not None:
        new["seed"] = seed
    if isinstance(told, Optimisation):
        if report_to is not None:
            new["report_to"] = report_to
        elif "report_to" not in told.model_fields_set and find_spec("trackio") is not None:
            new["report_to"] = ("trackio",)
    return told.model_copy(update=new)
