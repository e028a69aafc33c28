"""What is kept between problems: lessons so far."""

from cogitate.memory.lessons import LessonBook

__all__ = ["LessonBook"]
