"""A thinned record says what it said: of every partition, and after a rebuild from what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import profiles  # noqa: F401 - the number of examples
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_rebuild_laws import DAYS, acts, apply, declared, lose, said, write
from worlds import Disk, moment

from partflow.execution.controls import Controls
from partflow.metastore.record import Record
from partflow.operations.sweep import Bounds, Sweep, sweep

EXAMPLES = settings().max_examples // 10


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return (tmp_path_factory.mktemp(f"root{n}") for n in count())


def swept(disk: Disk, *, dry_run: bool = False) -> Sweep:
    """Sweep what nobody needs, each line of the journal that no one needs included."""
    project = disk.project
    bounds = Bounds(project.clock() / 1e9, 0.0, share=0.0)
    with project.metastore.opened() as metastore:
        return sweep(project.graph, project.store, metastore, bounds, dry_run=dry_run)


def present(disk: Disk) -> dict[tuple[str, str], Record]:
    """All that is current, without the numbers that a rebuild gives anew."""
    project = disk.project
    with project.metastore.opened() as metastore:
        records = [r for node in project.graph.nodes for r in metastore.records(node) if r.seq]
    return {
        (r.node, r.key): replace(r, seq=0, content_seq=0, read_seq=0, identity=None)
        for r in records
    }


def order_of_contents(disk: Disk) -> list[tuple[str, str]]:
    """The partitions, in the order in which their present contents came."""
    project = disk.project
    with project.metastore.opened() as metastore:
        records = [r for node in project.graph.nodes for r in metastore.records(node) if r.seq]
    return [(r.node, r.key) for r in sorted(records, key=lambda r: r.content_seq)]


def noted(disk: Disk) -> tuple[object, ...]:
    project = disk.project
    with project.metastore.opened() as metastore:
        codes = {r.code for n in project.graph.nodes for r in metastore.records(n) if r.code}
        parts = {code: metastore.code_parts(code) for code in codes}
        return metastore.effects(), sorted(metastore.begun()), parts


def kept(disk: Disk) -> dict[tuple[str, str], list[tuple[str | None, str | None]]]:
    """What can be put back: the content and the run of each kept file."""
    project = disk.project
    return {
        (name, key): [
            (k.record and k.record.content, k.record and k.record.run)
            for k in project.upkeep.kept(name, key)
        ]
        for name, key in project.store.histories()
    }


@settings(max_examples=EXAMPLES, phases=[Phase.generate])
@given(st.data())
def test_a_thinned_record_says_what_it_said_also_after_a_rebuild(roots, data) -> None:
    disk = Disk(next(roots), declared, now="2024-01-04")
    for day in DAYS[: data.draw(st.integers(2, 5))]:
        write(disk.root, day, [1, 2])
    disk.project.materialize()
    for act in data.draw(st.lists(acts, max_size=10), label="script"):
        apply(disk, act)
        if data.draw(st.booleans(), label="a run"):
            disk.project.materialize()
        if data.draw(st.integers(0, 4), label="thinned") == 0:
            swept(disk)
    before = said(disk.project.plan()), present(disk), noted(disk), kept(disk)
    order = order_of_contents(disk)
    would = swept(disk, dry_run=True)
    assert swept(disk) == would
    assert swept(disk).is_empty
    assert (said(disk.project.plan()), present(disk), noted(disk), kept(disk)) == before
    assert order_of_contents(disk) == order
    lose(disk.project.history.metastore.path, "missing")
    found = disk.project.upkeep.rebuild(Controls())
    assert found.unknown == ()
    assert found.unread == 0
    assert (said(disk.project.plan()), noted(disk)) == (before[0], before[2])
    assert present(disk) == before[1]
    assert moment(disk.now) > 0
