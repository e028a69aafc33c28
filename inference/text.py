"""Text that came from outside, made safe to keep.

Python strings can hold lone surrogates, which no UTF-8 file, socket or database accepts. Text is
made valid once, where it enters (an engine's reply, a problem), and is trusted from there on.
"""

__all__ = ["valid_unicode"]


def valid_unicode(text: str) -> str:
    r"""Return `text` with every lone surrogate replaced by U+FFFD; valid text comes back as it is.

    Example:
        >>> valid_unicode("fine"), valid_unicode("\ud800!")
        ('fine', '\ufffd!')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
