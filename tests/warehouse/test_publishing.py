"""Publications become current once, or are refused whole, whatever the store answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import pytest
from stores import DAYS, KEYS, EtagStore, seen

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import derive
from partflow.declarations.task import task
from partflow.errors import PublishError
from partflow.metastore.record import Intent, Record
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.partitions.calendar import Daily
from partflow.warehouse.publishing import Notes, Publication, Publishing
from partflow.warehouse.recovery import recover

RUN = "20260101-000000-aaaa"
MODELS = Dataset("models", Daily("2024-01-01"), format="skops")


@task(writes=(DAYS, MODELS))
def both(): ...


GRAPH = derive([both])
START = 1_704_067_200


@dataclass
class Shop:
    """A store in memory, and a record, with one owner."""

    store: EtagStore
    metastore: SqliteMetastore
    publishing: Publishing
    epochs: dict[tuple[str, str], int] = field(default_factory=dict)
    serial: int = 0

    def publication(
        self, content: bytes, dataset: Dataset = DAYS, step: str = "1", **more
    ) -> Publication:
        """A claimed partition with a sealed file of these bytes."""
        self.serial += 1
        name = f"{RUN}/{self.serial}-0.tmp"
        self.store.stage(name).write_bytes(content)
        self.store.seal(name)
        key = KEYS[0]
        epochs = self.metastore.claim(RUN, [(dataset.name, key, START)])
        sha256 = hashlib.sha256(content).hexdigest()
        record = Record(
            dataset.name, key, START, content=f"x:{sha256[:32]}", sha256=sha256, run=RUN, **more
        )
        intent = Intent(
            f"{RUN}/{step}",
            dataset.name,
            key,
            epochs[dataset.name, key],
            name,
            None,
            sha256,
            record,
        )
        return Publication(intent, seen=seen(self.store, key, dataset))

    def current(self, dataset: Dataset = DAYS) -> Record:
        (record,) = self.metastore.records(dataset.name, KEYS[0])
        return record


@pytest.fixture
def shop(tmp_path):
    store = EtagStore(tmp_path)
    with SqliteMetastore.open(tmp_path / "metastore.sqlite", durable=False) as metastore:
        yield Shop(store, metastore, Publishing(metastore, store, GRAPH.datasets))


def test_what_is_published_is_in_its_place_and_recorded_with_the_identity_of_its_file(shop):
    published = shop.publishing.publish([shop.publication(b"new")])
    assert (len(published.records), published.refused) == (1, {})
    assert shop.store.holds("clean", KEYS[0]) == b"new"
    assert shop.current().identity == seen(shop.store, KEYS[0])
    assert shop.metastore.intents() == []


@pytest.mark.parametrize(
    ("dataset", "how", "lines"),
    [(DAYS, "made", 0), (DAYS, "rolled_back", 1), (DAYS, "kept", 1), (MODELS, "made", 1)],
)
def test_a_record_has_a_line_in_the_journal_unless_the_footer_of_its_file_says_the_same(
    shop, dataset, how, lines
):
    shop.publishing.publish([shop.publication(b"new", dataset, how=how)])
    assert len(shop.store.lines) == lines


def test_a_record_alone_touches_no_file(shop):
    one = shop.publication(b"new", how="accepted")
    alone = replace(one, intent=replace(one.intent, staged=None))
    shop.publishing.publish([alone])
    assert shop.metastore.history("clean", KEYS[0])[0].how == "accepted"
    assert shop.store.holds("clean", KEYS[0]) is None


def test_a_file_that_somebody_wrote_since_the_claim_stays_and_the_step_is_refused_whole(shop):
    first, second = shop.publication(b"new"), shop.publication(b"model", MODELS)
    shop.store.put("clean", KEYS[0], b"somebody's")
    published = shop.publishing.publish([first, second])
    assert list(published.refused) == [f"{RUN}/1"]
    assert shop.store.holds("clean", KEYS[0]) == b"somebody's"
    assert shop.store.holds("models", KEYS[0]) is None
    assert shop.metastore.intents() == []
    with pytest.raises(PublishError, match="somebody wrote its file"):
        published.require_all()


def test_what_another_has_claimed_since_is_not_published(shop):
    one = shop.publication(b"new")
    shop.metastore.claim("another", [("clean", KEYS[0], START)])
    with pytest.raises(PublishError, match="another run"):
        shop.publishing.publish([one])
    assert shop.store.holds("clean", KEYS[0]) is None


def test_the_notes_are_written_with_the_records_and_hear_of_what_was_refused(shop):
    heard = []

    def noting(refused):
        heard.append(set(refused))
        return Notes(["a line"])

    shop.store.put("clean", KEYS[0], b"old")
    one = shop.publication(b"new")
    shop.store.put("clean", KEYS[0], b"somebody's")
    shop.publishing.publish([one], noting)
    assert heard == [{f"{RUN}/1"}]
    assert shop.store.lines == ["a line"]


@pytest.mark.parametrize("before", [b"old", None])
def test_a_step_whose_answer_was_lost_keeps_its_intent_and_is_finished_by_the_next_run(
    shop, before
):
    shop.store.put("clean", KEYS[0], before)
    first, second = shop.publication(b"new"), shop.publication(b"model", MODELS)
    shop.store.loses = 1
    published = shop.publishing.publish([first, second])
    assert list(published.refused) == [f"{RUN}/1"]
    assert len(shop.metastore.intents()) == 2
    assert shop.current().content is None
    shop.publishing.sweep(RUN)
    assert recover(shop.metastore, shop.store, GRAPH, ()) == 2
    assert shop.metastore.intents() == []
    assert shop.store.holds("clean", KEYS[0]) == b"new"
    assert shop.store.holds("models", KEYS[0]) == b"model"
    assert shop.current().sha256 == first.intent.new_sha256
    assert shop.current(MODELS).sha256 == second.intent.new_sha256
    assert list(shop.store.staged_runs()) == []


def test_a_recovery_of_what_was_only_intended_leaves_all_as_it_was(shop):
    shop.store.put("clean", KEYS[0], b"old")
    shop.metastore.intend([shop.publication(b"new").intent])
    assert recover(shop.metastore, shop.store, GRAPH, ()) == 1
    assert shop.store.holds("clean", KEYS[0]) == b"old"
    assert (shop.metastore.intents(), list(shop.store.staged_runs())) == ([], [])
