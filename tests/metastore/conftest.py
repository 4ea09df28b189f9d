"""Whoever writes another metastore, or other leases, adds them here: the suites are the same."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from partflow.metastore.sqlite.metastore import SqliteMetastore


@pytest.fixture(params=["in a file", "in memory"])
def opened(request, tmp_path):
    """Opens one and the same metastore, as another process would; in memory there is only one."""
    with ExitStack() as stack:
        if request.param == "in memory":
            metastore = stack.enter_context(SqliteMetastore.in_memory())
            yield lambda: metastore
        else:
            path = tmp_path / "metastore.sqlite"
            yield lambda: stack.enter_context(SqliteMetastore.open(path, durable=False))


@pytest.fixture
def metastore(opened):
    return opened()
