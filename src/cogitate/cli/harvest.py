"""`cogitate harvest`: from runs and saved graphs to a folder of training rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import cogitate.cli.options as options
from cogitate.cli.failure import Debug, Failed, reported
from cogitate.cli.runs import is_store
from cogitate.cli.terminal import emit, emit_json, note
from cogitate.errors import ConfigError, DataError
from cogitate.graphs import Episode, ThoughtGraph
from cogitate.memory import RunStore
from cogitate.tasks import load
from cogitate.training import Harvest, PromptForm, Row, RowFilter, Rows
from cogitate.training import harvest as harvested
from cogitate.training.credit import Credit, credit_named
from cogitate.training.exports import (
    Form,
    Manifest,
    checked_json,
    export,
    export_trajectories,
)
from cogitate.training.filters import (
    Balance,
    HeldOut,
    Length,
    NearUnique,
    Perplexity,
    PerProblem,
    Unique,
)

__all__ = ["harvest"]


class What(StrEnum):
    """What is made of the episodes."""

    SFT = "sft"
    PREFERENCES = "preferences"
    RANKED = "ranked"
    UNPAIRED = "unpaired"
    STEPS = "steps"
    PROMPTS = "prompts"
    COAT = "coat"
    TRAJECTORIES = "trajectories"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Stores of `run`, graphs that `solve --save` wrote, folders of these.",
    ),
]
Out = Annotated[
    str, typer.Option(metavar="DIR", help="The folder of the rows; of trajectories, the file.")
]
WhatKind = Annotated[What, typer.Option("--kind", help="What to make of the episodes.")]
CreditName = Annotated[
    str,
    typer.Option(
        "--credit",
        metavar="NAME",
        help="What a thought is worth: value-backup?threshold=0.5, monte-carlo-steps?k=4, "
        "critic-agreement, group-relative, leave-one-out, process-group-relative.",
    ),
]
Role = Annotated[str | None, typer.Option(metavar="ROLE", help="Rows of this role alone.")]
FormName = Annotated[
    Form, typer.Option("--format", help="jsonl and parquet to be read back, trl for trainers.")
]
HeldOutSets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROBLEMS", help="To be measured with: rows that hold them are dropped. Repeat it."
    ),
]
Prompt = Annotated[
    PromptForm, typer.Option(help="Train the prompt as sampled, or without worked examples.")
]
Drop = Annotated[
    bool,
    typer.Option(
        "--drop-unfit",
        help="Leave out problems that are held back or have no reference, instead of refusing.",
    ),
]
Near = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Drop replies that have so much in common, such as 0.8."),
]
MostPerProblem = Annotated[
    int | None, typer.Option("--per-problem", metavar="N", help="Rows of one text and role.")
]
MostTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Drop rows with a longer reply.")
]
Percentile = Annotated[
    float | None,
    typer.Option("--perplexity", metavar="P", help="Drop what is above this percentile, as 95."),
]
Balanced = Annotated[
    bool, typer.Option("--balance", help="As many rows of each label (unpaired, steps).")
]
KeepCredits = Annotated[
    bool,
    typer.Option(
        "--keep-credits",
        help="Write what each thought is worth into the stores as well; else they are only read.",
    ),
]
License = Annotated[
    str, typer.Option(metavar="ID", help="For the card, such as cc-by-4.0; yours to know.")
]


@reported
def harvest(
    sources: Sources,
    out: Out,
    kind: WhatKind = What.SFT,
    credit: CreditName = "value-backup",
    role: Role = None,
    format: FormName = "jsonl",
    held_out: HeldOutSets = None,
    prompt: Prompt = "sampled",
    drop_unfit: Drop = False,
    near: Near = None,
    per_problem: MostPerProblem = None,
    max_tokens: MostTokens = None,
    perplexity: Percentile = None,
    balance: Balanced = False,
    keep_credits: KeepCredits = False,
    license: License = "",
    json: options.Json = False,
    seed: options.Seed = 0,
    debug: Debug = False,
) -> None:
    """Grade what was thought, give credit to every role, and write training rows.

    \b
    cogitate solve "6 * 7?" --reference 42 --strategy 'best-of-n?n=4' --save graphs/1.json
    cogitate harvest graphs --kind preferences --out rows --held-out 'gsm8k?size=200'
    """
    saved = Saved.at(sources)
    if keep_credits:
        saved.check_keeps(kind)
    episodes = harvested(
        saved,
        credit=credit_named(credit),
        prompt=prompt,
        unfit="drop" if drop_unfit else "refuse",
        keep=saved if keep_credits else None,
    )
    if kind is What.TRAJECTORIES:
        _trajectories(episodes, out, json=json)
        return
    filters: list[RowFilter] = [Unique()]
    filters += [] if near is None else [NearUnique(near)]
    filters += [] if max_tokens is None else [Length(most=max_tokens)]
    if held_out:
        filters.append(HeldOut(problem for name in held_out for problem in load(name)))
    filters += [] if perplexity is None else [Perplexity(perplexity)]
    filters += [] if per_problem is None else [PerProblem(per_problem)]
    filters += [Balance()] if balance else []
    rows = _rows(episodes, kind, role).through(*filters)
    manifest = export(rows, out, form=format, license=license)
    if json:
        kept = {"kept_credits": saved.kept} if keep_credits else {}
        emit_json({"folder": out, **manifest.model_dump(mode="json"), **kept})
    else:
        _show(manifest, out)
        if keep_credits:
            emit(f"{saved.kept} new credits kept in the stores.")
    if not manifest.rows:
        raise Failed(f"no rows: {_counted(dict(manifest.counts))}")


def _rows(episodes: Harvest, kind: What, role: str | None) -> Rows[Row]:
    match kind:
        case What.SFT:
            return episodes.sft(role)
        case What.PREFERENCES:
            return episodes.preferences(role)
        case What.RANKED:
            return episodes.ranked(role)
        case What.UNPAIRED:
            return episodes.unpaired(role)
        case What.STEPS:
            return episodes.steps(role)
        case _ if role is not None:
            raise ConfigError(f"--role: {kind} rows are of the generator: leave it out")
        case What.PROMPTS:
            return episodes.prompts()
        case _:
            return episodes.coat()


def _trajectories(episodes: Harvest, out: str, *, json: bool) -> None:
    if is_store(Path(out)):
        raise ConfigError(f"--out {out}: that is a store of runs: name a new file, as rows.jsonl")
    counts: Counter[str] = Counter()
    written = export_trajectories(episodes.trajectories(counts), out)
    if json:
        emit_json({"file": out, "trajectories": written, "counts": dict(counts)})
    else:
        emit(f"{written} trajectories in {out}. {_counted(counts)}")
    if not written:
        raise Failed(f"no trajectories: {_counted(counts)}")


def _show(manifest: Manifest, out: str) -> None:
    emit(f"{manifest.rows} {manifest.kind} rows of {manifest.problems} problems in {out}")
    emit(_counted(dict(manifest.counts)))
    if (report := manifest.held_out) is not None:
        dropped = sum(report.dropped.values())
        emit(f"Compared with {report.held_out} held-out texts: {dropped} rows dropped.")


def _counted(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in counts.items() if n) or "nothing was read"


@dataclass
class Saved:
    """Graphs in files, read one at a time; keeps credits in the store that is being read."""

    files: tuple[Path, ...]
    kept: int = 0
    """Credits that are new in their stores."""
    _open: RunStore | None = field(default=None, init=False, repr=False)

    @classmethod
    def at(cls, sources: list[str]) -> "Saved":
        """Find the files.

        Raises:
            ConfigError: There are none.
        """
        files: list[Path] = []
        for source in map(Path, sources):
            if not source.exists():
                raise ConfigError(f"{source}: there is no such file or folder")
            files += sorted(source.glob("*.json")) if source.is_dir() else [source]
        if not files:
            raise ConfigError(f"{', '.join(sources)}: no .json file there: save graphs first")
        return cls(tuple(files))

    def __iter__(self) -> Iterator[Episode | ThoughtGraph]:
        """Read each graph, and of stores each episode; damaged ones are left out and told.

        Raises:
            DataError: A file holds none.
        """
        for file in self.files:
            if is_store(file):
                with RunStore(file) as store:
                    self._open = store
                    yield from store.episodes()
                    for why in store.quarantined.values():
                        note(f"left out: {why}")
            else:
                yield _read(file)

    def check_keeps(self, kind: What) -> None:
        """Refuse what no credits can be kept of.

        Raises:
            ConfigError: Rows that need no credits, or a file that is no store.
        """
        if kind in (What.PROMPTS, What.COAT, What.TRAJECTORIES):
            raise ConfigError(f"--keep-credits: {kind} need no credits: leave it out")
        for file in self.files:
            if not is_store(file):
                raise ConfigError(f"--keep-credits: {file} is no store of runs: leave one out")

    def append_credits(self, episode: Episode | ThoughtGraph, credits: Sequence[Credit]) -> int:
        """Keep the credits of the episode that was read last."""
        assert self._open is not None  # `check_keeps` let only stores through
        new = self._open.append_credits(episode, credits)
        self.kept += new
        return new


def _read(file: Path) -> ThoughtGraph:
    try:
        return ThoughtGraph.from_json(checked_json(file.read_bytes()))
    except (OSError, UnicodeDecodeError, DataError) as error:
        raise DataError(
            f"{file}: {error}. Give a file that `cogitate solve --save` wrote"
        ) from None
