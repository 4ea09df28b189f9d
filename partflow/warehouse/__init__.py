"""Store and metastore together: look, publish, recover, read, and show datasets to DuckDB.

Knows nothing of how a run is carried out.
"""
