"""What a file holds: how it is read, written and fingerprinted.

Knows nothing of plans, or of which partitions are current.
"""
