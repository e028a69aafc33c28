"""Run a self-refine loop on problems, and keep every graph.

    python examples/self_refine.py [FOLDER]

Each finished graph is written to FOLDER as JSON; `cogitate show FOLDER/NAME.json` draws it.
"""

import sys
from pathlib import Path

import cogitate as cg


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def keep(episode: cg.graphs.Episode) -> None:
        path = folder / f"{episode.problem.id}.json"
        path.write_text(episode.graph.to_json(), encoding="utf-8")
        answer = episode.result.answer if episode.result else None
        right = episode.grade is not None and episode.grade.correct
        print(f"{path}: {answer} ({'right' if right else 'wrong'})", flush=True)

    problems = cg.tasks.load("reasoning_gym/chain_sum?size=4&seed=21&max_terms=2&max_digits=1")
    team = cg.Team.of("hf/smollm2-135m", max_tokens=64)
    report = cg.run(problems, team, cg.SelfRefine(rounds=2), seed=1, on_episode=keep)
    print(f"{report.correct} of {len(report.episodes)} right")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/self_refine"))
