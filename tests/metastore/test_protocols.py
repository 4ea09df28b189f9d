"""The seam itself: small Protocols, and an implementation that the type checker holds to them."""

from __future__ import annotations

import inspect

import pytest

from partflow.metastore import protocol
from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.leases import Leases
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.metastore.sqlite.place import SqlitePlace

PROTOCOLS = [
    kind
    for _, kind in inspect.getmembers(protocol, inspect.isclass)
    if kind.__module__ == protocol.__name__
]


def own(kind: type) -> set[str]:
    """What a Protocol asks for, beside what it takes from others."""
    return {name for name in {*vars(kind), *inspect.get_annotations(kind)} if name[0] != "_"}


@pytest.mark.parametrize("kind", [*PROTOCOLS, Leases])
def test_no_protocol_asks_for_more_than_six_things(kind):
    assert len(own(kind)) <= 6


def test_the_metastore_is_all_parts_of_the_seam():
    parts = set(PROTOCOLS) - {protocol.Metastore} - {*protocol.MetastorePlace.__mro__}
    assert parts - set(protocol.Metastore.__mro__) == set()


def test_leases_have_nothing_public_beside_the_seam():
    assert {name for name in vars(FlockLeases) if name[0] != "_"} == own(Leases)


def test_a_place_has_nothing_public_beside_the_seam_but_where_it_is():
    asked = own(protocol.Opening) | own(protocol.Mending)
    assert {name for name in vars(SqlitePlace) if name[0] != "_"} == asked | {"path", "store"}


def test_what_is_handed_around_has_nothing_public_beside_the_seam_but_its_opening():
    public = {name for name, _ in inspect.getmembers(SqliteMetastore) if name[0] != "_"}
    asked = set[str]().union(*map(own, PROTOCOLS))
    opening = {"open", "open_existing", "in_memory", "close", "fold_in", "incarnation"}
    assert public - asked == opening
