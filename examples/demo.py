"""A team of four agents refines real problems on the embedded model, and shows how it thought.

    python examples/demo.py

Generator, critic, verifier and refiner all run on a 135M model here. It is weak, and says so: what
to look at is the graph of each problem, its scores, and what the thinking cost.
"""

import time

import cogitate as cg

MODEL = "hf/smollm2-135m"


def show(episode: cg.graphs.Episode) -> None:
    result, grade = episode.result, episode.grade
    if result is None:
        raise SystemExit(f"{episode.problem.id} failed: {episode.error}")
    verdict = "not graded" if grade is None else "right" if grade.correct else "wrong"
    usage = result.usage
    print(f"\n{result.graph.to_tree(width=88)}", end="")
    print(f"answer {result.answer!r}: {verdict} (reference {episode.problem.reference!r})")
    print(
        f"{usage.calls} calls, {usage.prompt} prompt tokens ({usage.cached} from the cache), "
        f"{usage.completion} new tokens, {result.seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    started = time.perf_counter()
    team = cg.Team(
        generator=cg.Generator(MODEL, temperature=0.7, max_tokens=96),
        critic=cg.Critic(MODEL, temperature=0.0, max_tokens=64),
        verifier=cg.Verifier(MODEL),
        refiner=cg.Refiner(MODEL, temperature=0.7, max_tokens=96),
    )
    strategy = cg.SelfRefine(rounds=2, threshold=0.9)
    problems = cg.tasks.load("reasoning_gym/chain_sum?size=4&seed=11&max_terms=2&max_digits=1")
    print(f"{team} thinks about {len(problems)} problems with {strategy} on {MODEL}", flush=True)

    report = cg.run(problems, team, strategy, budget=cg.Budget(tokens=6_000), on_episode=show)

    usage = report.usage
    print(
        f"\n{report.correct} of {len(report.episodes)} right; {usage.calls} calls, "
        f"{usage.prompt} prompt and {usage.completion} new tokens, "
        f"{time.perf_counter() - started:.1f} s in all"
    )


if __name__ == "__main__":
    main()
