import torch

from cogitate.inference.hf.prefix import BLOCK, PrefixCache, block_keys

BLOCK_DATA = torch.zeros(1)


def test_prompts_share_exactly_the_blocks_in_which_they_agree_from_the_start() -> None:
    one = list(range(BLOCK * 3 + 5))
    other = [*one[: BLOCK * 2], 7, *one[BLOCK * 2 + 1 :]]
    keys, other_keys = block_keys(one), block_keys(other)
    assert len(keys) == 3
    assert keys[:2] == other_keys[:2]
    assert keys[2] != other_keys[2]
    assert not set(keys) & set(block_keys(one, b"adapter"))
    assert len({*keys, *block_keys(one[BLOCK:])}) == 5, "a block is known by all before it"


def test_the_least_recently_used_blocks_are_forgotten_from_the_end() -> None:
    cache = PrefixCache(BLOCK * 4)
    old, new = block_keys(range(BLOCK * 3)), block_keys(range(1, BLOCK * 2 + 1))
    for key in old:
        cache.add(key, BLOCK_DATA)
    assert len(cache.match(old)) == 3
    for key in new:
        cache.add(key, BLOCK_DATA)
    assert len(cache.match(old)) == 2
    assert len(cache.match(new)) == 2


def test_a_cache_of_nothing_keeps_nothing() -> None:
    cache = PrefixCache(0)
    (key,) = block_keys(range(BLOCK))
    cache.add(key, BLOCK_DATA)
    assert cache.match([key]) == []
