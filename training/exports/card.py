"""The card of a dataset: what it holds, where it is from, and how far it can be trusted."""

import yaml

from cogitate.training.exports.kinds import Kind
from cogitate.training.exports.manifest import Manifest

__all__ = ["card"]

_WHAT = {
    Kind.SFT: "Replies to imitate: those of positive credit.",
    Kind.PREFERENCES: "Pairs of replies to one prompt with all parents in common, one better.",
    Kind.RANKED: "Replies to one prompt with all parents in common, ranked by their credit.",
    Kind.UNPAIRED: "Single replies that are wanted or not wanted.",
    Kind.STEPS: "Solutions in steps, with a label for each step of which something is known.",
    Kind.PROMPTS: "States from which an episode of reinforcement learning may begin.",
}
_VERIFIED = {
    "grader": "the problem's own grader, when the rows were made",
    "recorded": "a grader, when it was thought; its recorded score was taken for that",
    "model": "the scores of a model",
    "unverified": "nobody: rows that were read from a file",
}


def card(manifest: Manifest, *, name: str, license: str = "") -> str:
    """Write the card of a folder of rows, as the Hugging Face hub reads it.

    Args:
        manifest: What the folder holds.
        name: Of the dataset.
        license: Its identifier; the card says that there is none otherwise.
    """
    head = {
        "pretty_name": name,
        "license": license or "unknown",
        "tags": ["cogitate", "reasoning", manifest.kind.value],
        "configs": [{"config_name": "default", "data_files": manifest.file}],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    terms = license or "not chosen yet: it depends on the problems and on the models below"
    parts = [
        f"---\n{front}---",
        f"# {_line(name)}",
        f"{_WHAT[manifest.kind]} {manifest.rows} rows of {manifest.problems} problems, made by "
        f"Cogitate; format `{manifest.form}`.",
        f"License: {_line(terms)}.",
        "## Verified by",
        _table(
            [(_VERIFIED.get(who, who), n) for who, n in manifest.verification.items()],
            "who says what a reply is worth",
        ),
        "## Credit",
        "\n".join(map(_credit, manifest.credits)) or "None: rows say what their grade is.",
        "## Written by",
        "\n".join(f"- {_line(' '.join(filter(None, source)))}" for source in manifest.sources)
        or "Rows of this kind hold no replies, or nothing is known of who wrote them.",
        "## Kept and left out",
        _table([*manifest.counts.items()], "what"),
        "Filters, in their order: "
        + (", ".join(f"`{_line(each)}`" for each in manifest.filters) or "none")
        + ".",
        "## Held out",
        _held_out(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _credit(credit: tuple[object, ...]) -> str:
    method, version, parameters, source = credit
    assert isinstance(parameters, tuple)
    given = ", ".join(f"{name}={value}" for name, value in parameters) or "no parameters"
    return f"- {_line(str(method))}, version {version} ({_line(given)}), from: {_line(str(source))}"


def _held_out(manifest: Manifest) -> str:
    report = manifest.held_out
    if report is None:
        return "These rows were not compared with any held-out problems."
    dropped = ", ".join(f"{n} by {rule}" for rule, n in report.dropped.items()) or "none"
    return (
        f"{report.rows} rows were compared with {report.held_out} held-out texts: {dropped} were "
        f"dropped, which held {report.problems} of the texts."
    )


def _table(rows: list[tuple[str, int]], title: str) -> str:
    lines = [f"| {_line(what)} | {n} |" for what, n in rows]
    return "\n".join([f"| {title} | rows |", "|---|---:|", *lines])


def _line(text: str) -> str:
    """Text of others, as it may stand in a line of a card."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
