"""A real run is killed at a random moment, with a reader in a loop beside it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import closing

import pytest
from deaths import ALL, Shop, said

KILLS = int(os.environ.get("KILLS", "1000" if ALL else "6"))


class Reader(threading.Thread):
    """Looks at the warehouse again and again; `wrong` is the first thing that was not right."""

    def __init__(self, shop: Shop, root) -> None:
        super().__init__()
        self.shop, self.root, self.looks = shop, root, 0
        self.wrong: BaseException | None = None
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.done.is_set() and self.wrong is None:
            try:
                self.shop.check_readers(self.root, tries=5)
                self.looks += 1
            except BaseException as error:  # noqa: BLE001 - it is told by the test
                self.wrong = error

    def close(self) -> None:
        self.done.set()
        self.join()


def killed_at_random(shop: Shop, workers: int, seed: int) -> int:
    """How often the warehouse was looked at beside a run that was killed, or had ended before."""
    chance = random.Random(seed)
    root = shop.copy()
    with closing(Reader(shop, root)) as reader:
        pid = shop.nursery.start(root, words=["materialize", "-j", str(workers)])
        time.sleep(chance.uniform(0, 0.4 * workers**2))
        os.killpg(pid, signal.SIGKILL)
        shop.nursery.wait(pid)
    assert reader.wrong is None, (seed, reader.wrong, said(root))
    shop.check_death(root)
    return reader.looks


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_at_a_random_moment_loses_tears_and_doubles_nothing(
    made: Shop, workers, cases
):
    looks = 0
    for seed in range(workers, KILLS, 2):
        looks += killed_at_random(made, workers, seed)
        cases(1)
    assert looks >= KILLS // 4
