"""What is kept between problems: lessons and solved examples so far."""

from cogitate.memory.embedder import Embedder, MiniLM
from cogitate.memory.experience import Experience
from cogitate.memory.lessons import LessonBook
from cogitate.memory.remembered import Kept

__all__ = ["Embedder", "Experience", "Kept", "LessonBook", "MiniLM"]
