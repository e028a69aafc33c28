"""Trainings on rows by our own losses: groups of replies, safety, and a value of each step.

    base = "hf/smollm2-135m"              # cogitate train bfpo run.toml
    rows = "rows"                         # of kind preferences
    safety = "safety.jsonl"               # {"problem": "p", "thought": "t", "safe": true} a line
    output = "runs/bfpo"

They do not go on in the middle: a run that was stopped begins anew.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cogitate.errors import DataError
from cogitate.training.rows import PreferenceRow, RankedRow, Reply, StepRow
from cogitate.training.trainers import (
    BFPOSettings,
    OREOSettings,
    PreferenceGroupSettings,
    SafetyPair,
    Trained,
    train_bfpo,
    train_oreo,
    train_preference_groups,
)
from cogitate.training.trainers.fit import OnStep
from cogitate.trainings.on_rows import OnRows
from cogitate.trainings.results import as_trained
from cogitate.trainings.told import of_kind, start_of

__all__ = ["BFPO", "OREO", "PreferenceGroups"]


class _GoesOn(OnRows):
    when_stopped = "nothing was kept: the same command begins anew"

    start: str | None = None
    """An adapter of the base to go on with."""


class PreferenceGroups(_GoesOn):
    """Groups of better and worse replies: mDPO and mIPO."""

    method = "preference-groups"
    settings: PreferenceGroupSettings = PreferenceGroupSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer."""
        rows, start = of_kind(self.rows, RankedRow), start_of(self.start)
        found = train_preference_groups(
            rows, self.base, output, self.settings, adapter=start, on_step=on_step
        )
        return as_trained(found)


class OREO(_GoesOn):
    """Solutions in steps: a policy, and the value of each step."""

    method = "oreo"
    settings: OREOSettings = OREOSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer; `policy` and `value` are made in the output folder."""
        rows, start = of_kind(self.rows, StepRow), start_of(self.start)
        found = train_oreo(rows, self.base, output, self.settings, adapter=start, on_step=on_step)
        return Trained(
            found.policy,
            found.losses,
            len(found.losses),
            found.seconds,
            found.rows,
            found.left_out,
            {},
        )


class BFPO(_GoesOn):
    """Pairs, and whether each reply is safe."""

    method = "bfpo"
    safety: str
    """A file of JSON lines: `problem`, `thought` and `safe`."""
    settings: BFPOSettings = BFPOSettings()

    def train(self, output: Path, on_step: OnStep | None) -> Trained:
        """Call the trainer with the pairs of which both replies have a label."""
        safe = _read(Path(self.safety))

        def known(row: PreferenceRow, reply: Reply) -> bool | None:
            return safe.get((row.problem, reply.thought))

        rows = of_kind(self.rows, PreferenceRow)
        pairs = [
            SafetyPair(row, chosen, rejected)
            for row in rows
            if (chosen := known(row, row.chosen)) is not None
            and (rejected := known(row, row.rejected)) is not None
        ]
        found = as_trained(
            train_bfpo(
                pairs,
                self.base,
                output,
                self.settings,
                adapter=start_of(self.start),
                on_step=on_step,
            )
        )
        return found._replace(counts={**found.counts, "no label": len(rows) - len(pairs)})


class _Label(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    thought: str
    safe: bool


def _read(file: Path) -> dict[tuple[str, str], bool]:
    """Read labels, by problem and thought.

    Raises:
        DataError: There is no such file, or a line that is no label.
    """
    found = {}
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                one = _Label.model_validate_json(line)
            except ValidationError as error:
                said = error.errors(include_url=False)[0]
                raise DataError(
                    f"{file}, line {number}: {said['msg']}: write "
                    '{"problem": "p", "thought": "t", "safe": true}'
                ) from None
            found[one.problem, one.thought] = one.safe
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read ({error}): give a file of labels") from None
    return found
