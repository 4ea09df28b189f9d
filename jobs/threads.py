"""Keeps numerical libraries to one thread: `-j` fills the cores, and more would only queue."""

from contextlib import AbstractContextManager


def one_thread() -> AbstractContextManager[object]:
    """Within it, scikit-learn and numpy compute on one thread, and in one order."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
