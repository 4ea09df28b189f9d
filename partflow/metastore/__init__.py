"""What is recorded: partitions, runs, leases, and the journal that a rebuild reads.

`protocol` says what a metastore can do, `sqlite` has the one that there is. Knows nothing of what
files hold, nor of where they lie.
"""
