"""A batch whose rows join after their prefill and leave when they are done, between two tokens.

Rows that wait join in waves. In a wave, equal prompts are prefilled once and copied; of prompts
that begin alike one leads, and the others follow in the next wave, when its blocks can be found.
Left out: chunks of a prefill between decoding steps. A long prompt holds the other rows up once,
which costs them time and the batch no throughput.
"""

import math
from collections import deque
from collections.abc import Collection, Iterator, Sequence

import torch

from cogitate.errors import EngineError
from cogitate.inference.hf.memory import Memory
from cogitate.inference.hf.prefix import BLOCK, PrefixCache, block_keys
from cogitate.inference.hf.row import Row
from cogitate.inference.hf.sampling import draw
from cogitate.inference.hf.slots import BARE, Network, Slots

__all__ = ["Rolling"]

_WASTE = 64
"""Padding tokens that cost about what another forward pass would."""
_LOGITS = 1 << 26
"""The most logits computed at once while scoring."""
_TOGETHER = 8
"""Where more rows wait than have room, an eighth of all rows must be free before some join: a pass
for one row costs nearly as much as one for several."""


class Rolling:
    """The running batch of one model.

    Args:
        network: The model.
        ends: The tokens that end a completion.
        memory: The bounds on rows and tokens.
    """

    def __init__(self, network: Network, *, ends: Collection[int], memory: Memory) -> None:
        self._network = network
        self._ends = frozenset(ends)
        self._slots = Slots(
            network,
            max_tokens=memory.max_tokens_in_memory,
            max_rows=memory.rows_on(network.device.type),
        )
        self._prefix = PrefixCache(memory.prefix_tokens)
        self._prefill_tokens = memory.prefill_tokens
        self.rows: list[Row] = []
        """Row i lies in slot i."""
        self.adapters = False
        """Whether the model has adapters loaded."""

    def reset(self) -> None:
        """Forget all rows and all blocks: after an error their memory cannot be trusted."""
        self.rows.clear()
        self._prefix.clear()
        self._slots.clear()

    @torch.inference_mode()
    def admit(self, waiting: deque[Row]) -> list[Row]:
        """Prefill waiting rows, first come first served, as far as memory goes.

        Args:
            waiting: Rows in the order of their arrival; those that joined are taken out.

        Returns:
            Rows that are done already.
        """
        done: list[Row] = []
        if self.rows and waiting:
            most = self._slots.most(max(row.reserve for row in (*self.rows, waiting[0])))
            if most - len(self.rows) < min(len(waiting), most // _TOGETHER):
                return done
        while wave := self._wave(waiting):
            for group in self._groups(wave):
                done += self._join(group)
        return done

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """Sample the next token of every row; return the rows that are done, which leave."""
        if not self.rows:
            return []
        lengths = [len(row.prompt) + len(row.ids) for row in self.rows]
        logits_BKV = self._slots.forward(
            0,
            self._tensor([[row.ids[-1]] for row in self.rows]),
            self._tensor([[length - 1] for length in lengths]),
            length=max(lengths),
            keep=1,
            adapters=self._names(self.rows),
        )
        self._sample(self.rows, logits_BKV[:, -1])
        return self._leave([i for i, row in enumerate(self.rows) if row.finish])

    @torch.inference_mode()
    def drop(self, gone: Collection[Row]) -> None:
        """Take rows out that nobody waits for."""
        self._leave([i for i, row in enumerate(self.rows) if row in gone])

    def _wave(self, waiting: deque[Row]) -> list[list[Row]]:
        """Take the rows that can be prefilled now, those with equal prompts together."""
        wave: list[list[Row]] = []
        equal: dict[tuple[str, tuple[int, ...]], list[Row]] = {}
        claimed: set[bytes] = set()
        followers: list[Row] = []
        rows, longest = len(self.rows), max((row.reserve for row in self.rows), default=0)
        while waiting:
            row = waiting[0]
            if not self._slots.fits(rows + 1, max(longest, row.reserve)):
                break
            waiting.popleft()
            prompt = (row.adapter, row.prompt)
            if not row.given and prompt in equal:
                equal[prompt].append(row)
            elif self._leader_is_near(row, claimed):
                followers.append(row)
                continue
            else:
                wave.append([row])
                if not row.given:
                    equal[prompt] = wave[-1]
            rows, longest = rows + 1, max(longest, row.reserve)
        waiting.extendleft(reversed(followers))
        return wave

    def _leader_is_near(self, row: Row, claimed: set[bytes]) -> bool:
        """Say whether another row of this wave computes the next block of `row`; else claim it."""
        if not self._prefix.capacity:
            return False
        following = next((key for key in row.shareable if key not in self._prefix), None)
        if following is not None and following in claimed:
            return True
        claimed.update(row.keys)
        return False

    def _groups(self, wave: list[list[Row]]) -> Iterator[list[list[Row]]]:
        """Split a wave into forward passes: alike in length, and not too many tokens each."""
        for row, *_ in wave:
            row.held = len(self._prefix.match(row.shareable)) * BLOCK
        wave.sort(key=lambda same: len(same[0].tokens) - same[0].held, reverse=True)
        group: list[list[Row]] = []
        width = waste = 0
        for same in wave:
            size = len(same[0].tokens) - same[0].held
            waste += width - size
            if group and (waste > _WASTE or width * (len(group) + 1) > self._prefill_tokens):
                yield group
                group, waste = [], 0
            if not group:
                width, waste = size, 0
            group.append(same)
        if group:
            yield group

    def _join(self, group: list[list[Row]]) -> list[Row]:
        leaders = [same[0] for same in group]
        copies = [(row, i) for i, same in enumerate(group) for row in same[1:]]
        first = len(self.rows)
        everyone = [*self.rows, *leaders, *(row for row, _ in copies)]
        self._slots.reserve(len(everyone), max(row.reserve for row in everyone), active=first)
        self.rows = list(everyone)
        logits_BV = self._prefill(first, leaders)
        for at, (row, i) in enumerate(copies):
            row.held = len(row.prompt)
            self._slots.copy(first + i, first + len(leaders) + at, len(row.prompt))
        self._keep(first, leaders)
        order = [*range(len(leaders)), *(i for _, i in copies)]
        self._sample(everyone[first:], logits_BV[order] if copies else logits_BV)
        return self._leave([i for i, row in enumerate(self.rows) if row.finish])

    def _prefill(self, first: int, rows: list[Row]) -> torch.Tensor:
        """Compute what is missing of each row, and return the logits after its last token."""
        for i, row in enumerate(rows):
            blocks = self._prefix.match(row.shareable)
            row.held = len(blocks) * BLOCK
            for number, block in enumerate(blocks):
                self._slots.write(first + i, number * BLOCK, block)
        missing = [row.tokens[row.held :] for row in rows]
        width, longest = max(map(len, missing)), max(len(row.tokens) for row in rows)
        scored = max(len(row.given) for row in rows)
        # Padding stands where the first sampled token will be written over it.
        tokens_BS = self._tensor([[0] * (width - len(ids)) + list(ids) for ids in missing])
        positions_BS = self._tensor(
            [
                [len(row.tokens)] * (width - len(ids)) + list(range(row.held, len(row.tokens)))
                for row, ids in zip(rows, missing, strict=True)
            ]
        )
        chunk = max(1, self._prefill_tokens // len(rows))
        if scored:
            chunk = max(1, min(chunk, _LOGITS // (len(rows) * self._network.vocabulary)))
        logits_BKV = torch.empty(0)
        for start in range(0, width, chunk):
            stop = min(start + chunk, width)
            keep = max(1, min(stop - start, stop - (width - scored))) if scored else 1
            logits_BKV = self._slots.forward(
                first,
                tokens_BS[:, start:stop],
                positions_BS[:, start:stop],
                length=longest + 1,
                keep=keep,
                adapters=self._names(rows),
            )
            if scored:
                self._score(rows, logits_BKV, width - stop)
        return logits_BKV[:, -1]

    def _score(self, rows: list[Row], logits_BKV: torch.Tensor, after: int) -> None:
        """Note the log-probs of given tokens; `after` columns of the prefill are still to come."""
        keep = logits_BKV.shape[1]
        for row, logits_KV in zip(rows, logits_BKV, strict=True):
            begin = len(row.given) - after - keep
            stop = len(row.given) - after
            targets = row.given[max(0, begin) : max(0, stop)]
            if targets:
                logprobs_TV = torch.log_softmax(logits_KV[keep - len(targets) :], dim=-1)
                chosen_T = logprobs_TV.gather(1, self._tensor([targets]).T)[:, 0]
                row.logprobs += chosen_T.tolist()

    def _sample(self, rows: Sequence[Row], logits_BV: torch.Tensor) -> None:
        drawn = draw(logits_BV, [r.sampling for r in rows], [r.source for r in rows])
        for row, token, logprob in zip(rows, drawn.tokens, drawn.logprobs, strict=True):
            if row.given:
                row.finished("stop")
                continue
            if math.isnan(logprob):
                row.ask.end(EngineError("the model's numbers overflowed: use dtype='float32'"))
            row.ids.append(token)
            row.logprobs.append(logprob)
            if token in self._ends or row.ask.ends(row.ids):
                row.finished("stop")
            elif len(row.ids) >= row.limit:
                row.finished("length")

    def _leave(self, places: list[int]) -> list[Row]:
        """Take rows out; the last row moves into each gap."""
        gone = [self.rows[i] for i in places]
        for i in places:
            self._keep(i, [self.rows[i]])
        for i in reversed(places):
            last = self.rows.pop()
            if i < len(self.rows):
                self._slots.copy(len(self.rows), i, len(last.prompt) + len(last.ids))
                self.rows[i] = last
        return gone

    def _keep(self, first: int, rows: list[Row]) -> None:
        """Keep the blocks of rows that are not kept yet: of the prompt and of what was sampled."""
        if not self._prefix.capacity:
            return
        for i, row in enumerate(rows, first):
            keys = row.keys
            if len(row.ids) > 1:
                keys = block_keys((*row.prompt, *row.ids[:-1]), row.root)
            for number, key in enumerate(keys):
                if key not in self._prefix:
                    start = number * BLOCK
                    self._prefix.add(key, self._slots.read(i, start, start + BLOCK))

    def _names(self, rows: Sequence[Row]) -> list[str] | None:
        return [row.adapter or BARE for row in rows] if self.adapters else None

    def _tensor(self, values: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._network.device)
