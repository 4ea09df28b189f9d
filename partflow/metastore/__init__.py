"""What is recorded: partitions, runs, leases, the journal.

Knows nothing of what files hold.
"""
