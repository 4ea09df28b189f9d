"""A real file system's image, copied in the middle of a run and mounted again: a power cut."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cuts import acknowledged, check_cut
from deaths import ALL, MOST, Shop, armed, caught, said
from mounted import Image, made_image

PARTS = 8 if ALL else 1
STRIDE = {"ext4": 1, "xfs": 4, "btrfs": 4} if ALL else {"ext4": 47}


@pytest.fixture
def image(request, shop: Shop, tmp_path) -> Iterator[Image]:
    """The warehouse before the run, on a file system of its own."""
    path = tmp_path / f"before.{request.param}"
    yield made_image(request.param, path, shop.template / "warehouse")
    path.unlink()


@contextmanager
def power_cut(shop: Shop, image: Image, number: int, protocol: str = "") -> Iterator[Path | None]:
    """A project as it is after a power cut at the n-th failpoint; None if there are fewer.

    The run is stopped there, its disk is copied, and what was in memory only is gone.
    """
    root = shop.copy()
    warehouse = root / "warehouse"
    shutil.rmtree(warehouse, ignore_errors=True)
    running, left = image.path.with_suffix(".running"), image.path.with_suffix(".left")
    try:
        with image.copied(running).mounted(warehouse):
            pid = shop.nursery.start(
                root, environment=armed(number, "stop"), tells=True, protocol=protocol
            )
            is_stopped = shop.nursery.wait(pid) is None
            try:
                Image(running, image.kind).copied(left)
            finally:
                if is_stopped:
                    os.kill(pid, signal.SIGKILL)
                    shop.nursery.wait(pid)
        if not is_stopped:
            yield None
            return
        with Image(left, image.kind).mounted(warehouse):
            yield root
    finally:
        for path in (running, left):
            with suppress(FileNotFoundError):
                path.unlink()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("shop", ["made", "empty"] if ALL else ["made"], indirect=True)
@pytest.mark.parametrize("image", STRIDE, indirect=True)
def test_a_disk_that_lost_its_power_at_any_point_holds_what_was_acknowledged(
    shop: Shop, image, part, cases
):
    stride = STRIDE[image.kind]
    for number in range(9 + part * stride if ALL else 31, MOST, stride * PARTS):
        with power_cut(shop, image, number) as root:
            if root is None:
                break
            check_cut(shop, root, acknowledged(said(root)))
            cases(1)


@pytest.mark.skipif(not ALL, reason="`make torture` tries it; the model tries it in `make check`")
@pytest.mark.parametrize("image", ["ext4"], indirect=True)
@pytest.mark.parametrize("protocol", ["unsynced files", "unsynced record"])
@pytest.mark.parametrize("shop", ["made"], indirect=True)
def test_a_sync_that_is_left_out_is_caught_by_a_real_disk(shop: Shop, image, protocol):
    def one(number: int) -> None:
        with power_cut(shop, image, number, protocol) as root:
            assert root is not None
            check_cut(shop, root, acknowledged(said(root)))

    assert caught(lambda number=number: one(number) for number in range(30, 60))
