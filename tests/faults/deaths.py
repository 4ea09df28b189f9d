"""Small projects whose runs die: a nursery of processes, and what must hold after each death."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from small_shop import (
    KEYS,
    NEW,
    NEWEST,
    Content,
    copied,
    found_by_readers,
    write_shop,
    write_source,
)

from partflow.store.failpoints import VARIABLE

ALL = os.environ.get("TORTURE") == "all"
"""Whether every case is tried, as `make torture` does, or a sample of them."""

KILLED = -signal.SIGKILL
MOST = 400
"""No run of the small warehouse passes so many points or makes so many calls."""


@dataclass
class Nursery:
    """Forks a process for each request: see `nursery.py`."""

    process: subprocess.Popen[str]

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def start(self, root: Path, **request: Any) -> int:
        """Begin a run; its pid."""
        said = str(root / "said.txt")
        return int(self.ask(**{"act": "run", "root": str(root), "said": said} | request)["pid"])

    def wait(self, pid: int) -> int | None:
        """The exit code of a run, minus its signal; None if it stopped itself."""
        ended = self.ask(act="wait", pid=pid)["ended"]
        return None if ended is None else int(ended)

    def run(self, root: Path, **request: Any) -> int | None:
        return self.wait(self.start(root, **request))

    def wake(self, pid: int) -> None:
        """Let a run that stopped itself go on."""
        self.ask(act="wake", pid=pid)

    def ended_or_blocked(self, pid: int, root: Path) -> int | None:
        """The exit code of a run; None as soon as it waits for another, or a lock that it holds."""
        deadline = time.monotonic() + 30
        while (ended := self.ask(act="poll", pid=pid)["ended"]) is None:
            assert time.monotonic() < deadline
            waiting = [x for x in Path("/proc/locks").read_text().splitlines() if "->" in x]
            if any(f" {pid} " in line for line in waiting) or "waiting for run" in said(root):
                return None
            time.sleep(0.005)
        return int(ended)

    def look(self, root: Path) -> dict[str, Any]:
        answer = root / "answer.json"
        answer.unlink(missing_ok=True)
        code = self.run(root, act="look", answer=str(answer))
        assert code == 0, said(root)
        return dict(json.loads(answer.read_text()))


def said(root: Path) -> str:
    """What all processes of a project have said."""
    path = root / "said.txt"
    return path.read_text() if path.exists() else ""


def sent(root: Path) -> list[str]:
    """What the effect has sent, in order."""
    path = root / "sent.txt"
    return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True)
class Shop:
    """The small warehouse as it is before the run that dies, and as it has to end."""

    nursery: Nursery
    template: Path
    before: Content
    after: Content
    record: dict[str, Any]
    sent: tuple[str, ...]
    places: Iterator[Path]

    def copy(self) -> Path:
        """The warehouse before, with the new version of its source beside it."""
        return copied(self.template, next(self.places))

    def check_readers(self, root: Path, tries: int = 1) -> None:
        """Every reader sees every partition as it was or as it is to be, whole."""
        for how, content in found_by_readers(root, tries):
            assert set(self.before) <= set(content) <= set(self.after), how
            for place, rows in content.items():
                assert rows in {self.before.get(place), self.after[place]}, (how, place)

    def check_ended(self, root: Path) -> None:
        """The same command again ends as if nothing had happened, and has then nothing to do.

        Nothing is left behind then that `gc` does not sweep.
        """
        assert self.nursery.run(root, several=[["materialize"], ["gc", "--yes"]]) == 0, said(root)
        found = self.nursery.look(root)
        assert found["rubbish"] == [], (found["rubbish"], said(root))
        assert (found["steps"], found["intended"], found["staged"]) == (0, [], []), said(root)
        assert (found["unlike"], found["sound"]) == ([], "ok")
        assert found["records"] == self.record
        for how, content in found_by_readers(root):
            assert content == self.after, how

    def check_death(self, root: Path, deaths: int = 1) -> None:
        """All of it, after runs died or were refused: readers, the record, the same command."""
        self.check_readers(root)
        known: list[str] = []
        if (root / "warehouse/.partflow/metastore.sqlite").exists():
            found = self.nursery.look(root)
            # Data first: what the record says is there, or an intent tells that it is under way.
            assert set(found["unlike"]) <= set(found["intended"]), said(root)
            effects = {k: v for k, v in self.record.items() if k.startswith("send@")}
            known = [self.sent[-1]] if effects.items() <= found["records"].items() else []
        self.check_ended(root)
        self.check_sent(root, frozenset(known), deaths)

    def check_newest(self, root: Path, newest: Content) -> None:
        """Nothing stands that was made by a run whose lease another run has followed."""
        found = self.nursery.look(root)
        assert (found["failed"], found["unlike"], found["sound"]) == ([], [], "ok")
        for how, content in found_by_readers(root):
            assert content == newest, (how, said(root))
        assert self.nursery.run(root) == 0
        for how, content in found_by_readers(root):
            assert content == newest, how

    def check_sent(self, root: Path, recorded: frozenset[str], deaths: int = 1) -> None:
        """Nothing was sent wrongly; what was `recorded` as sent when a run died, not once more."""
        assert set(sent(root)) == set(self.sent)
        for line in set(sent(root)):
            assert sent(root).count(line) <= deaths + (0 if line in recorded else 1)


def places(top: Path) -> Iterator[Path]:
    """A new place each time; the one before is removed, so that thousands of cases need no room."""
    last = None
    for number in itertools.count():
        if last is not None:
            shutil.rmtree(last, ignore_errors=True)
        last = top / f"case{number}"
        yield last


def shop_at(nursery: Nursery, top: Path, *, is_first: bool) -> Shop:
    template, whole = top / "template", top / "whole"
    write_shop(template)
    if not is_first:
        assert nursery.run(template) == 0, said(template)
    before = next(found_by_readers(template))[1]
    write_source(template, NEW)
    copied(template, whole)
    assert nursery.run(whole) == 0, said(whole)
    after, record = next(found_by_readers(whole))[1], nursery.look(whole)
    assert record["steps"] == 0
    return Shop(
        nursery, template, before, after, record["records"], tuple(sent(whole)), places(top)
    )


def armed(number: int, action: str, name: str = "any") -> dict[str, str]:
    """The environment in which a run comes to an end, or stops, at the n-th point it passes."""
    return {VARIABLE: f"{name}:{number}={action}"}


def taken_over(
    shop: Shop, number: int, protocol: str = "", name: str = "any"
) -> tuple[Path, Content]:
    """A warehouse that two runs had at once, and what it must hold.

    The first stops at a point. Its lease is taken away, and the source changes; the second makes
    that, or waits for a lock. Then the first wakes and goes on.
    """
    nursery, root = shop.nursery, shop.copy()
    first = nursery.start(root, environment=armed(number, "stop", name), protocol=protocol)
    slept = nursery.wait(first) is None
    write_source(root, NEWEST)
    for lease in (root / "warehouse/.partflow/leases").glob("*.lease"):
        lease.unlink()
    second = nursery.start(root, protocol=protocol)
    ended = nursery.ended_or_blocked(second, root)
    if slept:
        nursery.wake(first)
        nursery.wait(first)
    if ended is None:
        ended = nursery.wait(second)
    assert ended == 0, said(root)
    return root, newest_content()


def caught(cases: Iterable[Callable[[], None]]) -> bool:
    """Whether one of the cases fails."""
    for case in cases:
        try:
            case()
        except AssertionError:
            return True
    return False


def newest_content() -> Content:
    """What the warehouse holds of the newest version of its source, reckoned by hand."""
    sales = {KEYS[0]: [("a", 7)], KEYS[1]: [("a", 10), ("b", 20)], KEYS[2]: [("a", 100)]}
    total, found = 0, Content()
    for key, rows in sales.items():
        total += sum(qty for _, qty in rows)
        found["clean", key] = tuple(rows)
        found["counts", key] = tuple((store, 1) for store, _ in rows)
        found["sums", key] = ((sum(qty for _, qty in rows),),)
        found["running", key] = ((total,),)
        found["doubled", key] = tuple((store, 2 * qty) for store, qty in rows)
    return found
