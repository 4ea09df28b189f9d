"""The folder of a metastore, wherever it is configured to lie."""

from __future__ import annotations

import os

import pytest

from partflow.metastore.sqlite.metastore import SqliteMetastore


@pytest.mark.parametrize("durable", [True, False])
def test_the_folders_that_a_metastore_is_made_in_are_durable_if_that_is_asked(
    tmp_path, monkeypatch, durable
):
    synced, fsync = set(), os.fsync

    def watched(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    folder = tmp_path / "state/of/shop"
    with SqliteMetastore.open(folder / "metastore.sqlite", durable=durable):
        parents = {tmp_path, tmp_path / "state", tmp_path / "state/of"}
        assert ({p.stat().st_ino for p in parents} <= synced) == durable
