"""What is kept: runs in a store, and lessons and solved examples between problems."""

from cogitate.memory.credit_rows import CreditRow
from cogitate.memory.database import Database, Durability
from cogitate.memory.embedder import Embedder, MiniLM
from cogitate.memory.experience import Experience
from cogitate.memory.kept_episode import KeptEpisode
from cogitate.memory.lessons import LessonBook
from cogitate.memory.listing import EpisodeInfo, RunInfo
from cogitate.memory.remembered import Kept
from cogitate.memory.run_record import Made, RunRecord
from cogitate.memory.spill import SpillReport
from cogitate.memory.store import RunStore

__all__ = [
    "CreditRow",
    "Database",
    "Durability",
    "Embedder",
    "EpisodeInfo",
    "Experience",
    "Kept",
    "KeptEpisode",
    "LessonBook",
    "Made",
    "MiniLM",
    "RunInfo",
    "RunRecord",
    "RunStore",
    "SpillReport",
]
