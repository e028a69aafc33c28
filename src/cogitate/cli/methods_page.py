"""The page of all methods, in Markdown: `docs/methods.md` is what this writes."""

from collections.abc import Mapping

from cogitate.graphs import Method
from cogitate.graphs import methods as strategies
from cogitate.training.methods import Kind, Learning, learnings

__all__ = ["GROUPS", "page"]

GROUPS: Mapping[str, str] = {
    "strategies": "how a team thinks",
    Kind.TRAINERS: "how weights change",
    Kind.OBJECTIVES: "what the policy-gradient trainer optimises",
    Kind.ADAPTERS: "which weights are trained",
    Kind.REWARDS: "what a policy is paid for",
    Kind.CREDIT: "what each thought contributed",
    Kind.LOOPS: "think, harvest, train, judge, and again",
}
"""The groups of methods, and what each is about."""

_HEAD = """\
# Methods

<!-- Made by `cogitate methods --markdown`: edit what the code says of itself instead. -->

Every way of thinking and of learning that has a name: what it needs and costs, and when it pays.
Names in Python are those of `cogitate.graphs` and `cogitate.training`.
"""
_STRATEGIES = """\
`--strategy 'NAME?PARAMETER=VALUE&…'` on the command line, a class in Python. Calls are those of
models for one problem, verifiers and critics included; one sampled completion is one call, however
completions are batched. The [evaluation](evaluation.md) tells where search loses.
"""
_ABOUT = {
    Kind.TRAINERS: "How weights change: see [trainers](training.md) for how to call them.",
    Kind.OBJECTIVES: "Settings of the policy-gradient trainer by name; see "
    "[objectives](training_objectives.md) for the formulas.",
    Kind.ADAPTERS: "Which weights are trained: the `adapter` of a trainer's settings.",
    Kind.REWARDS: "What a policy is paid for, for a thought in its graph.",
    Kind.CREDIT: "What each thought contributed. Methods that are classes are also "
    "`--credit NAME` of [`cogitate harvest`](harvest.md).",
    Kind.LOOPS: "Think, harvest, train, judge, and again: see [loops](loops.md).",
}


def page() -> str:
    """The page of documentation."""
    thinking, learning = strategies().values(), learnings()
    lines = [_HEAD]
    lines += [f"- [{name.capitalize()}](#{name}): {what}" for name, what in GROUPS.items()]
    lines += [f"\n## Strategies\n\n{_STRATEGIES}"]
    rows = [["Method", "Pays", "Calls for one problem"]]
    lines += _table(rows + [[_link(m.name), m.pays, m.calls] for m in thinking])
    lines += [line for m in thinking for line in _strategy(m)]
    for kind in Kind:
        found = [one for one in learning if one.kind == kind]
        lines += [f"\n## {kind.capitalize()}\n\n{_ABOUT[kind]}\n"]
        rows = [["Method", "Pays", "Needs"]]
        rows += [[_link(one.name, kind), one.pays, one.needs] for one in found]
        lines += _table(rows)
        lines += [line for one in found for line in _learning(one)]
    return "\n".join(lines) + "\n"


def _link(name: str, kind: Kind | None = None) -> str:
    # Two methods of different groups may share a name; headings may not.
    return f"[`{name}`](#{name if kind is None else f'{kind}-{name}'})"


def _strategy(method: Method) -> list[str]:
    lines = [f"\n### {method.name}\n", f"`{method.factory.__name__}`: {method.summary}\n"]
    lines += _told(Paper=method.paper, Calls=method.calls, Pays=method.pays)
    rows = [
        [f"`{p.name}`", p.values, "" if p.default == "" else _code(p.default), p.meaning]
        for p in method.described
    ]
    head = [["Parameter", "Type", "Default", "Meaning"]]
    return [*lines, "", *_table(head + rows)] if rows else lines


def _learning(one: Learning) -> list[str]:
    return [
        f"\n### {one.kind}: {one.name}\n",
        f"`{one.code}`: {one.summary}\n",
        *_told(Paper=one.paper, Needs=one.needs, Costs=one.costs, Pays=one.pays),
    ]


def _told(**told: str) -> list[str]:
    return [f"- {label}: {text}" for label, text in told.items() if text]


def _code(value: object) -> str:
    return f"`{repr(value)[1:-1] if isinstance(value, str) else value}`"


def _table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]
