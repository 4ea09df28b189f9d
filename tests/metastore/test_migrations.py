"""Metastores of older versions, as those wrote them, are opened, migrated and read."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from projects import tables

from partflow.errors import MetastoreError
from partflow.metastore.record import StepLog
from partflow.metastore.runlog import RunLog
from partflow.metastore.sqlite.database import SCHEMA_VERSION
from partflow.metastore.sqlite.metastore import SqliteMetastore

FOLDER = Path(__file__).parent / "metastores"


def old(path: Path, version: int) -> Path:
    connection = apsw.Connection(str(path))
    connection.execute((FOLDER / f"schema{version}.sql").read_text("utf-8"))
    connection.close()
    return path


def columns(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """For each table the name, type, constraint, default and place in the key of its columns."""
    with tables(path) as c:
        names = [
            str(n) for (n,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {t: {row[1:] for row in c.execute(f"PRAGMA table_info({t})")} for t in names}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_old_metastore_becomes_what_a_new_one_is(tmp_path, version):
    migrated, new = old(tmp_path / "old.sqlite", version), tmp_path / "new.sqlite"
    SqliteMetastore.open(migrated).close()
    SqliteMetastore.open(new).close()
    assert columns(migrated) == columns(new)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_old_metastore_gets_the_indexes_of_a_new_one(tmp_path, version):
    migrated, new = old(tmp_path / "old.sqlite", version), tmp_path / "new.sqlite"
    SqliteMetastore.open(migrated).close()
    SqliteMetastore.open(new).close()
    assert indexes(migrated) == indexes(new)


def indexes(path: Path) -> dict[str, str]:
    with tables(path) as c:
        named = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        return {str(name): " ".join(str(sql).split()) for name, sql in c.execute(named)}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_what_an_old_metastore_recorded_is_read(tmp_path, version):
    with SqliteMetastore.open(old(tmp_path / "old.sqlite", version)) as metastore:
        records = {r.key: r for r in metastore.records("clean_sales")}
        assert (records["2024-01-01"].rows, records["2024-01-01"].failure) == (3, None)
        assert records["2024-01-02"].failure == "ValueError: no"
        log = RunLog(metastore)
        failed, done = log.runs(5, lambda _: False)
        assert (done.state, done.ran, done.owner, done.cancelled) == ("done", 2, "ann", 0)
        assert (failed.state, failed.failed, failed.note, failed.graph) == ("failed", 1, "", None)
        (step,) = log.steps(failed.id)
        assert (step.key, step.state, step.message) == ("2024-01-02", "failed", "ValueError: no")
        assert (step.serial, step.began_at, step.has_log) == (0, 0.0, False)
        assert log.graph(done.id) is None


def test_a_migrated_metastore_takes_what_is_new(tmp_path):
    path = old(tmp_path / "old.sqlite", 1)
    step = StepLog("t", "k", 1, "made", "never", 0.5, None, 7, 9.5, 0.25, 1, 2, 3, 4, 5, 6, True)
    with SqliteMetastore.open(path) as metastore:
        (_, row) = RunLog(metastore).runs(2, lambda _: False)
        RunLog(metastore).steps_ended(row.id, 10.0, [step])
    with SqliteMetastore.open(path) as metastore:
        assert step in RunLog(metastore).steps(row.id)


def test_a_metastore_of_a_version_to_come_is_refused(tmp_path):
    path = tmp_path / "new.sqlite"
    SqliteMetastore.open(path).close()
    with tables(path) as c:
        c.execute(f"UPDATE meta SET value = {SCHEMA_VERSION + 1}")
    with pytest.raises(MetastoreError, match=f"schema {SCHEMA_VERSION + 1}"):
        SqliteMetastore.open(path)
