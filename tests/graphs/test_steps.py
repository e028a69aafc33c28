"""Growing a solution step by step: what a step is, what the end, what the next ask is told."""

from collections.abc import Callable

import pytest

import cogitate as cg
from cogitate.graphs import Deliberation, Relation, ThoughtKind
from cogitate.inference import Completion, Request, Scripted, Usage

Reply = Callable[[Request], str | Completion]


def think(reply: Reply, strategy: cg.Strategy, **team: object) -> tuple[cg.Result, list[Request]]:
    requests: list[Request] = []

    def answer(request: Request) -> str | Completion:
        requests.append(request)
        return reply(request)

    made = cg.Team.of(Scripted(answer), **team)  # type: ignore[arg-type]  # keywords of the one test
    return cg.solve("What is 6 * 7 + 1?", made, strategy), requests


def continuing(*pieces: str) -> Reply:
    """A model that writes `pieces` one after the other, whatever it is stopped by."""
    whole = "".join(pieces)

    def reply(request: Request) -> str:
        begun = request.prefix.text if request.prefix else ""
        assert whole.startswith(begun)
        return whole[len(begun) :]

    return reply


def test_a_step_ends_with_its_blank_line_and_the_next_ask_continues_all_of_them() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        [two] = await d.steps(1, one)
        [end] = await d.steps(1, two)
        assert [one.kind, two.kind, end.kind] == ["step", "step", "solution"]
        assert (one.text, two.text) == ("6 * 7 = 42\n\n", "42 + 1 = 43\n\n")
        assert d.graph.path(two) == [one, two]
        assert d.graph.text(two) == "6 * 7 = 42\n\n42 + 1 = 43\n\n"
        assert end.prefix == d.graph.text(two)
        return end

    model = continuing("6 * 7 = 42\n\n", "42 + 1 = 43\n\n", "Answer: 43")
    result, requests = think(model, strategy)
    assert result.answer == "43"
    assert result.thought is not None
    assert result.thought.text == "6 * 7 = 42\n\n42 + 1 = 43\n\nAnswer: 43"
    assert [r.prefix.text if r.prefix else None for r in requests] == [
        None,
        "6 * 7 = 42\n\n",
        "6 * 7 = 42\n\n42 + 1 = 43\n\n",
    ]
    assert len({r.messages for r in requests}) == 1


def test_a_marked_answer_ends_a_solution_even_before_a_blank_line() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        return (await d.steps(1))[0]

    result, _ = think(lambda _: "Answer: 43\n\nIs there more?", strategy)
    assert result.thought is not None
    assert (result.thought.kind, result.answer) == ("solution", "43")


def test_what_stops_the_agent_itself_ends_a_solution() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        [end] = await d.steps(1, one)
        assert (one.kind, end.kind) == ("step", "solution")
        return end

    model = Scripted(continuing("6 * 7 = 42\n\n", "Then 43. END", " and more\n\n"))
    result = cg.solve("?", cg.Team(cg.Generator(model, stop=("END",))), strategy)
    assert result.thought is not None
    assert result.thought.text == "6 * 7 = 42\n\nThen 43. "


def test_a_step_cut_at_its_limit_goes_on_in_the_middle_of_a_line() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [half] = await d.steps(1, stop=(), max_tokens=3)
        assert (half.kind, half.text, half.finish) == ("step", "So we have", "length")
        return (await d.steps(1, half, stop=(), max_tokens=9))[0]

    result, _ = think(continuing("So we have 43 at last.\nAnswer: 43"), strategy)
    assert result.answer == "43"


def test_a_limit_inside_the_answer_is_no_end() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [half] = await d.steps(1, stop=(), max_tokens=2)
        assert half.kind is ThoughtKind.STEP
        return (await d.steps(1, half, stop=()))[0]

    result, _ = think(continuing("Answer: 4", " 3 apples"), strategy)
    assert result.answer == "4 3 apples"


def test_ids_are_continued_as_sampled_and_only_on_the_model_that_sampled_them() -> None:
    def reply(request: Request) -> Completion:
        begun = request.prefix.token_ids or () if request.prefix else ()
        return Completion(
            text="more",
            stop="\n\n",
            prompt_ids=(1, 2, *begun),
            token_ids=(7, 8),
            usage=Usage(2, 0, 2),
            model="scripted/script",
        )

    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        [two] = await d.steps(1, one)
        await d.steps(1, two)
        return (await d.steps(1, two, agent="other"))[0]

    requests: list[Request] = []

    def kept(answer: Reply) -> Reply:
        def reply(request: Request) -> str | Completion:
            requests.append(request)
            return answer(request)

        return reply

    other = Scripted(kept(lambda _: "Answer: 1"), name="other")
    own = Scripted(kept(reply))
    team = cg.Team([cg.Generator(own), cg.Generator(other, name="other")])
    cg.solve("?", team, strategy)
    assert [r.prefix.token_ids if r.prefix else None for r in requests] == [
        None,
        (7, 8),
        (7, 8, 7, 8),
        None,
    ]
    assert requests[3].prefix is not None
    assert requests[3].prefix.text == "more\n\nmore\n\n"


def test_finish_goes_to_the_end_and_leaves_a_solution_as_it_is() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        [end] = await d.finish(one)
        assert await d.finish(end, 2) == [end, end]
        return end

    result, requests = think(continuing("a\n\n", "b\n\n", "Answer: 43"), strategy)
    assert result.thought is not None
    assert result.thought.text == "a\n\nb\n\nAnswer: 43"
    assert [r.operation for r in requests] == ["step", "finish"]


def test_proposals_of_one_reply_become_thoughts_made_from_the_state_and_the_reply() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [first, second] = await d.propose(3)
        assert first.text == "6 * 7 = 42\n"
        [end] = await d.propose(3, first)
        reply = d.graph.parents(end)[1]
        assert d.graph.parents(end) == [first, reply]
        assert (reply.operation, reply.completion_tokens, end.completion_tokens) == (
            "propose",
            8,
            0,
        )
        assert d.graph.edges[first.id, end.id]["relation"] == Relation.CONTINUES
        assert second.kind is ThoughtKind.STEP
        return end

    def reply(request: Request) -> str:
        partial = (
            "<partial solution>\n6 * 7 = 42\n</partial solution>" in request.messages[-1].content
        )
        return "- 42 + 1 = 43 Answer: 43" if partial else "1. 6 * 7 = 42\n2. 7 + 1 = 8"

    result, requests = think(reply, strategy)
    assert result.thought is not None
    assert (result.answer, result.thought.text) == ("43", "6 * 7 = 42\n42 + 1 = 43\nAnswer: 43")
    assert "Write 3 different ways" in requests[0].messages[-1].content
    assert cg.ThoughtGraph.from_json(result.graph.to_json()).to_json() == result.graph.to_json()


def test_a_step_is_verified_with_all_that_leads_to_it() -> None:
    told: list[str] = []

    def function(_problem: cg.tasks.Problem, text: str) -> float:
        told.append(text)
        return 0.5

    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        [two] = await d.steps(1, one)
        assert await d.verify(two) == 0.5
        return two

    think(continuing("a\n\n", "b\n\n", "c"), strategy, verifier=function)
    assert told == ["a\n\nb\n\n"]


def test_verdicts_on_a_state_are_averaged_and_kept_on_it() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        assert await d.verify(one, samples=3) == pytest.approx(0.4)
        assert one.scores == {"judge": pytest.approx(0.4)}
        return one

    def reply(request: Request) -> str:
        scores = ("0.2", "0.6", "none")
        return f"Score: {scores[request.sample]}" if request.operation == "value" else "a\n\nb"

    _, requests = think(reply, strategy)
    assert "beginning" in requests[-1].messages[-1].content


def test_a_grader_cannot_score_a_step() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        [one] = await d.steps(1)
        await d.verify(one)
        return one

    with pytest.raises(cg.ConfigError, match="a grader scores finished solutions only"):
        think(continuing("a\n\n", "b"), strategy, verifier=cg.tasks.NumericGrader())


def test_worked_examples_of_steps_have_blank_lines_between_them() -> None:
    async def strategy(d: Deliberation) -> cg.Thought:
        return (await d.steps(1))[0]

    _, requests = think(lambda _: "Answer: 43", strategy, examples=1)
    [shown] = [m.content for m in requests[0].messages if m.role == "assistant"]
    assert "eggs.\n\n24 - 5" in shown
