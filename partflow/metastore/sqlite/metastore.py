"""The SQLite record of what is current, and of what is about to become so.

Knows nothing of plans, tasks or files' contents. Each part of the seam has a module with its `.sql`
beside it; this one puts them together.
"""

from __future__ import annotations

from partflow.metastore.sqlite.materializations import SqliteMaterializations
from partflow.metastore.sqlite.observations import SqliteObservations
from partflow.metastore.sqlite.publications import SqlitePublications
from partflow.metastore.sqlite.runs import SqliteRuns
from partflow.metastore.sqlite.standing import SqliteStanding
from partflow.metastore.sqlite.thinning import SqliteThinning


class SqliteMetastore(
    SqlitePublications,
    SqliteMaterializations,
    SqliteObservations,
    SqliteStanding,
    SqliteRuns,
    SqliteThinning,
):
    """One open metastore; see `Database.open`, and `Metastore` for what it can do."""
