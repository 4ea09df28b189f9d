"""Four processes at once over one warehouse: overlapping requests, kills, stops, leases taken away.

The quantities of the source only ever grow, so all that is made from it may only grow, too: what a
reader once saw must never be followed by something older.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deaths import ALL, Shop, said
from small_shop import DATASETS, KEYS, READERS, Content, found_by_readers

MOMENTS = int(os.environ.get("MOMENTS", "6000" if ALL else "60"))
AT_ONCE = 4
IN_THE_WAY = 4
"""The exit code of a run that does not wait."""
REFUSED = 1
"""The exit code of a run whose lease was taken away, or that found a source moved."""
MOVED = "a file was changed since this run looked at it"


def words(chance: random.Random) -> list[str]:
    """A random request; many overlap."""
    what = [chance.choice(["materialize", "backfill"]), chance.choice(DATASETS)]
    if chance.random() < 0.7:
        what += ["-p", chance.choice(KEYS)]
    if chance.random() < 0.3:
        what = ["materialize"]
    if chance.random() < 0.3:
        what.append("--no-wait")
    return [*what, "-j", "2"] if chance.random() < 0.05 else what


@dataclass
class Running:
    """One process: what it was asked, where it says what, whether it is stopped or was robbed."""

    pid: int
    words: list[str]
    said: Path
    is_stopped: bool = False
    is_robbed: bool = False


class Reader(threading.Thread):
    """Looks at the warehouse again and again, each time with another kind of reader.

    Every partition is to be whole, and none older than it was; `wrong` is the first that was not.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.looks = root, 0
        self.wrong: BaseException | None = None
        self.done = threading.Event()
        self.before: dict[tuple[str, str], int] = {}
        self.start()

    def run(self) -> None:
        while not self.done.is_set() and self.wrong is None:
            try:
                self.look(list(READERS)[self.looks % len(READERS)])
                self.looks += 1
            except BaseException as error:  # noqa: BLE001 - it is told by the test
                self.wrong = error

    def look(self, kind: str) -> None:
        ((how, content),) = found_by_readers(self.root, tries=9, kinds=[kind])
        for place, found in numbers(content).items():
            assert found >= self.before.get(place, 0), (how, place, found, self.before)
            self.before[place] = found

    def close(self) -> None:
        self.done.set()
        self.join()


@dataclass
class Crowd:
    """Four processes at once, and what happens to them; `sold` counts each day's changes."""

    shop: Shop
    root: Path
    chance: random.Random
    protocol: str = ""
    running: list[Running] = field(default_factory=list)
    sold: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)

    def moment(self) -> None:
        """Let something happen a little later, and take in who has ended."""
        time.sleep(self.chance.uniform(0, 0.05))
        if self.chance.random() < 0.3:
            self.sell(self.chance.choice(KEYS))
        while len(self.running) < AT_ONCE:
            what = words(self.chance)
            self.counted["runs"] += 1
            told = self.root / f"said{self.counted['runs']}.txt"
            told.touch()
            pid = self.shop.nursery.start(
                self.root, words=what, protocol=self.protocol, said=str(told)
            )
            self.running.append(Running(pid, what, told))
        self.befall(self.chance.choice(self.running))
        self.running = [one for one in self.running if not self.has_ended(one)]

    def sell(self, key: str) -> None:
        """One more is sold on a day: a new file in the place of the old one."""
        self.sold[key] += 1
        new = self.root / "landing/new"
        new.write_text(f"store,qty\na,{self.sold[key]}\n")
        new.replace(self.root / f"landing/{key}.csv")

    def befall(self, one: Running) -> None:
        """Kill a process, stop it, perhaps take its lease away, or wake it."""
        if one.is_stopped:
            if self.chance.random() < 0.2:
                self.send(one, signal.SIGCONT)
                one.is_stopped = False
            return
        match self.chance.randrange(16):
            case 0 | 1:
                self.send(one, signal.SIGKILL)
            case 2:
                self.send(one, signal.SIGSTOP)
                one.is_stopped = True
                if self.chance.random() < 0.3:
                    self.rob(one)

    def send(self, one: Running, number: signal.Signals) -> None:
        """Signal a process with its workers."""
        os.killpg(one.pid, number)
        self.counted[number.name] += 1

    def rob(self, one: Running) -> None:
        """Take the lease of a stopped process away: it may publish nothing any more."""
        for lease in (self.root / "warehouse/.partflow/leases").glob("*.lease"):
            try:
                owner = json.loads(lease.read_text())["owner"]
            except (FileNotFoundError, ValueError):
                continue
            if owner.endswith(f"process {one.pid}"):
                lease.unlink()
                one.is_robbed = True
                self.counted["leases taken away"] += 1

    def has_ended(self, one: Running) -> bool:
        ended = self.shop.nursery.ask(act="poll", pid=one.pid)["ended"]
        if ended is None:
            return False
        told = one.said.read_text()
        fine = {0, -signal.SIGKILL, *([IN_THE_WAY] if "--no-wait" in one.words else [])}
        fine |= {REFUSED} if one.is_robbed or self.protocol else set()
        if ended == REFUSED and ended not in fine:
            # It failed by nothing but what was sold after it had looked; equal failures are a line.
            failures = [line for line in told.splitlines() if line.startswith("failed ")]
            assert failures, (one, told)
            assert all(MOVED in line for line in failures), (one, told)
            self.counted["found a source moved"] += 1
        else:
            assert ended in fine, (one, told)
        self.counted["ended by themselves"] += ended != -signal.SIGKILL
        return True

    def ended(self) -> None:
        """All go on to their ends; then one run more makes what is still to be made."""
        for one in self.running:
            if one.is_stopped:
                self.send(one, signal.SIGCONT)
        while self.running:
            self.running = [one for one in self.running if not self.has_ended(one)]
        assert self.shop.nursery.run(self.root) == 0, said(self.root)
        found = self.shop.nursery.look(self.root)
        assert (found["steps"], found["intended"], found["staged"]) == (0, [], []), said(self.root)
        assert (found["unlike"], found["sound"]) == ([], "ok")
        for how, content in found_by_readers(self.root):
            assert numbers(content) == self.expected(), how

    def expected(self) -> dict[tuple[str, str], int]:
        found, total = {}, 0
        for key in KEYS:
            total += self.sold[key]
            found |= {("clean", key): self.sold[key], ("sums", key): self.sold[key]}
            found |= {("doubled", key): 2 * self.sold[key], ("running", key): total}
        return found


def numbers(content: Content) -> dict[tuple[str, str], int]:
    """The quantity in each partition; what is not one whole row of it is wrong."""
    found = {}
    for (name, key), rows in content.items():
        assert len(rows) == 1, (name, key, rows)
        if name == "counts":
            assert rows == (("a", 1),), (key, rows)
            continue
        found[name, key] = int(str(rows[0][-1]))
    return found


@pytest.mark.parametrize(("seed", "protocol"), [(1, ""), (2, "unleased")])
def test_four_at_once_never_undo_or_tear_what_another_made(
    made: Shop, seed, protocol, record_property
):
    """Leases only save work: without them some runs are refused, and nothing is undone either."""
    root = made.copy()
    crowd = Crowd(made, root, random.Random(seed), protocol)
    for key in KEYS:
        crowd.sell(key)
    crowd.counted.clear()
    assert made.nursery.run(root) == 0, said(root)
    with closing(Reader(root)) as reader:
        try:
            for _ in range(MOMENTS // 2):
                crowd.moment()
                assert reader.wrong is None, (reader.wrong, said(root))
            crowd.ended()
        finally:
            for one in crowd.running:
                with suppress(ProcessLookupError):
                    os.killpg(one.pid, signal.SIGKILL)
    assert reader.wrong is None, (reader.wrong, said(root))
    crowd.counted["looks"] = reader.looks
    record_property("cases", crowd.counted["runs"])
    print(dict(crowd.counted))  # noqa: T201 - `make torture` shows it
