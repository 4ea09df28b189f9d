"""What a dead run left is finished durably, or undone; done twice it is as done once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from partflow.errors import PublishError
from partflow.metastore.record import Intent
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.store.local import LocalStore
from partflow.warehouse.recovery import recover

DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03")


@dataclass
class Watched:
    """What reached the disk and the record, in order."""

    events: list[str] = field(default_factory=list)


class WatchedStore(LocalStore):
    """A real store that notes what it made durable, and refuses what it is told to."""

    watched: Watched
    refuses: str = ""

    def sync(self, paths):
        found = super().sync(paths)
        self.watched.events += [f"synced {path}" for path in map(str, paths)]
        refused = {str(p): OSError(5, "Input/output error", str(p)) for p in paths}
        return found | {p: e for p, e in refused.items() if self.refuses and p == self.refuses}


class WatchedMetastore(SqliteMetastore):
    watched: Watched

    def commit(self, intents, log=None, dropped=()):
        super().commit(intents, log, dropped)
        self.watched.events.append("recorded")


@pytest.fixture
def died(sales):
    """A run died after its rename: the intent stands, and nobody synced the folder."""
    sales.run()
    sales.sales(DAYS[0], 40)
    with sales.metastore() as metastore:
        (before,) = metastore.records("clean", DAYS[0])
    sales.run("clean")
    with sales.metastore() as metastore:
        (after,) = metastore.records("clean", DAYS[0])
        epochs = metastore.claim("dead", [("clean", DAYS[0], after.start)])
        intent = Intent(
            "dead/0", "clean", DAYS[0], epochs["clean", DAYS[0]], str(sales.root / "renamed.tmp"),
            before.sha256, after.sha256, after,
        )  # fmt: skip
        metastore.intend([intent])
    return sales


def watched(sales, refuses=""):
    project = sales.project
    store = WatchedStore(sales.root, sales.root / "warehouse")
    metastore = WatchedMetastore.open(sales.root / "warehouse/.partflow/metastore.sqlite")
    store.watched = metastore.watched = Watched()
    store.refuses = refuses
    return project, store, metastore


def test_a_rename_that_is_found_done_is_durable_before_it_is_recorded(died):
    project, store, metastore = watched(died)
    with metastore:
        assert recover(metastore, store, project.graph, ()) == 1
        assert metastore.intents() == []
    recorded = store.watched.events.index("recorded")
    before = set(store.watched.events[:recorded])
    folder = died.file("clean", DAYS[0]).parent
    assert {f"synced {folder}", f"synced {folder.parent}"} <= before


def test_what_the_disk_refuses_to_make_durable_is_not_recorded(died):
    folder: Path = died.file("clean", DAYS[0]).parent
    project, store, metastore = watched(died, refuses=str(folder))
    with metastore:
        with pytest.raises(OSError, match="Input/output error"):
            recover(metastore, store, project.graph, ())
        assert len(metastore.intents()) == 1
    assert "recorded" not in store.watched.events
    assert died.run().ran > 0  # with a disk that does not refuse, the next run goes on
    with died.metastore() as after:
        assert after.intents() == []


def test_recovering_twice_is_recovering_once(died):
    project, store, metastore = watched(died)
    with metastore:
        recover(metastore, store, project.graph, ())
        once = metastore.records("clean", DAYS[0])
        assert recover(metastore, store, project.graph, ()) == 0
        assert metastore.records("clean", DAYS[0]) == once


@pytest.mark.parametrize("is_torn", [False, True])
def test_a_recovery_publishes_what_was_staged_if_it_is_whole(sales, is_torn):
    """What it replaces is kept under the number of what it was."""
    sales.run()
    file = sales.file("clean", DAYS[0])
    before, later = file.read_bytes(), file.read_bytes() + b"later"
    project, store, metastore = watched(sales)
    with metastore:
        one = metastore.records("clean", DAYS[0])[0]
        two = metastore.records("clean", DAYS[1])[0]
        epochs = metastore.claim("dead", [(r.node, r.key, r.start) for r in (one, two)])
        staged = store.stage("20260101-000000-aaaa/0.tmp")
        staged.write_bytes(later[:-1] if is_torn else later)
        sha256 = hashlib.sha256(later).hexdigest()
        metastore.intend(
            [
                Intent("dead/0", r.node, r.key, epochs[r.node, r.key], path, r.sha256, new, r)
                for r, path, new in ((one, str(staged), sha256), (two, None, two.sha256))
            ]
        )
        recover(metastore, store, project.graph, ())
    assert file.read_bytes() == (before if is_torn else later)
    assert list(store.kept("clean", DAYS[0])) == ([] if is_torn else [one.seq])
    assert not staged.exists()


def test_what_a_run_that_goes_on_intends_and_stages_is_left_to_it(died):
    project, store, metastore = watched(died)
    staged = store.stage("20260101-000000-aaaa/0.tmp")
    staged.write_bytes(b"in the making")
    with metastore:
        (intent,) = metastore.intents()
        assert recover(metastore, store, project.graph, {intent.run, "20260101-000000-aaaa"}) == 0
        assert metastore.intents() == [intent]
        assert staged.exists()
        assert recover(metastore, store, project.graph, {"20260101-000000-aaaa"}) == 1
        assert staged.exists()
        assert recover(metastore, store, project.graph, ()) == 0
    assert not staged.exists()


def test_what_another_claimed_since_and_left_is_recovered_too(died):
    with died.metastore() as metastore:
        start = metastore.records("clean", DAYS[0])[0].start
        metastore.claim("another that died", [("clean", DAYS[0], start)])
    assert died.run().failed == 0
    with died.metastore() as after:
        assert after.intents() == []


def test_who_intended_and_slept_while_it_was_recovered_cannot_publish(died):
    project, store, metastore = watched(died)
    with metastore:
        intents = metastore.intents()
        recover(metastore, store, project.graph, ())
        with pytest.raises(PublishError, match="recovery"):
            metastore.check(intents)
