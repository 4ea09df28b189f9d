"""How data is cut by time: zones, grains, keys, and sets of partitions as ranges of whole numbers.

Knows nothing of datasets, files or the clock.
"""
