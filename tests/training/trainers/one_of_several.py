"""Train in one process of several."""

import json
import sys
from pathlib import Path

from replay import Replay
from small_rows import sft, solution, start

from cogitate.training import (
    GRPOSettings,
    LoRA,
    Optimisation,
    ProcessModelSettings,
    Rollout,
    SFTSettings,
    train_grpo,
    train_process_model,
    train_sft,
)
from cogitate.training.trainers.work import first_process


def main(method: str, base: str, output: str, batch_size: int) -> None:
    how = Optimisation(learning_rate=1e-3, epochs=2, batch_size=batch_size)
    texts = [f"Answer: {'4' * (i + 1)}" for i in range(8)]
    if method == "sft":
        settings = SFTSettings(optimisation=how, adapter=LoRA(rank=4))
        trained = train_sft([sft(text) for text in texts], base, Path(output), settings)
    elif method == "grpo":
        replies = [
            Rollout(prompt_ids=(5, 6), completion_ids=ids, reward=reward)
            for ids, reward in (((70, 71), 1.0), ((80, 81, 82), 0.0))
        ]
        chosen = GRPOSettings(  # the second iteration's ratios depend on what the first one learned
            optimisation=how, adapter=LoRA(rank=4), variant="dapo", group=2, iterations=2
        )
        starts = [start(text) for text in texts[:4]]
        trained = train_grpo(starts, Replay(replies), base, Path(output), chosen)
    else:
        rows = [
            solution([(f"step {i}\n\n", 0.5), (text, float(i % 2))][i % 2 :])
            for i, text in enumerate(texts)
        ]
        wanted = ProcessModelSettings(optimisation=how, adapter=LoRA(rank=4))
        trained = train_process_model(rows, base, Path(output), wanted)
    if first_process():
        Path(f"{output}.json").write_text(json.dumps((trained.losses, trained.counts)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
