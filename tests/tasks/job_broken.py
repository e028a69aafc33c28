"""A job for the child's tests whose imports fail."""


def warm_up() -> None:
    import NoSuchModule  # type: ignore[import-not-found]  # noqa: F401


def run(payload: str) -> object:
    raise NotImplementedError
