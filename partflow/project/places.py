"""Chooses where a project's data, its record and its leases are, by its configuration.

Knows nothing of what is done there. This is the only place that knows which store, which metastore,
which leases and which pools a project has.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.flockpools import FlockPools
from partflow.metastore.leases import Leases
from partflow.metastore.pools import Boundless, Pools
from partflow.metastore.protocol import MetastorePlace
from partflow.metastore.sqlite.place import SqlitePlace
from partflow.project.config import Config
from partflow.store.local import LocalStore
from partflow.store.protocol import Store


def store_of(root: Path, config: Config) -> Store:
    """The store of the warehouse that is configured."""
    return LocalStore(
        root,
        root / config.warehouse,
        config.folders,
        durable=config.durability == "full",
        history=config.history,
    )


def brought(store: Store, root: Path, config: Config) -> Store:
    """The store that a project was given; from now on it names files from the project's root."""
    store.layout = replace(store.layout, root=root, folders=config.folders)
    return store


def metastore_of(root: Path, config: Config, store: Store) -> MetastorePlace:
    """The place of the metastore that is configured; it is not opened."""
    return SqlitePlace(
        root / config.metastore if config.metastore else store.layout.metastore, store
    )


def leases_of(store: Store) -> Leases:
    """The leases of a warehouse."""
    return FlockLeases(store.layout.leases)


def pools_of(store: Store, config: Config) -> Pools:
    """The places in pools of one run of a warehouse."""
    return FlockPools(store.layout.pools, config.pools) if config.pools else Boundless()
