"""The disk is full, at one page after the other: a step fails in order, and nothing is spoilt."""

from __future__ import annotations

import shutil

import pytest
from deaths import ALL, Shop, said
from mounted import resize, small

MOST_PAGES = 250
"""More than a run of the small warehouse needs."""
ROOMS = [
    *(("pages", n) for n in (range(0, MOST_PAGES, 2) if ALL else (25,))),
    *(("files", n) for n in (range(60) if ALL else (9,))),
]
REASONS = "make room", "No space left on device", "cannot be opened as a metastore"
"""One is told: the last with SQLite's word, the one before of what a task's writing met."""


@pytest.mark.parametrize("shop", ["made", "empty"] if ALL else ["made"], indirect=True)
@pytest.mark.parametrize(("what", "left"), ROOMS)
def test_a_run_that_fills_its_disk_fails_in_order_and_ends_when_there_is_room(
    shop: Shop, what, left, cases
):
    root = shop.copy()
    (root / "said.txt").unlink(missing_ok=True)
    warehouse, content = root / "warehouse", root / "content"
    if warehouse.exists():
        warehouse.rename(content)
    with small(warehouse, content):
        resize(warehouse, **{what: left})
        code = shop.nursery.run(root)
        shop.check_readers(root)
        if code == 0:
            pytest.skip("there was room enough")
        assert code in {1, 2}, said(root)
        assert "Traceback" not in said(root), said(root)
        assert "warehouse/" in said(root), said(root)  # from the project's root, or all of it
        assert any(word in said(root) for word in REASONS), said(root)
        resize(warehouse)
        shop.check_death(root)
        cases(1)
    shutil.rmtree(content, ignore_errors=True)
