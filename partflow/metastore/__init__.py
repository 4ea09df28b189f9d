"""What is recorded: partitions, runs, leases, and the journal that a rebuild reads.

Knows nothing of what files hold, nor of where they lie.
"""
