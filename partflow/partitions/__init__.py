"""How data is cut by time: zones, grains, keys, and sets of partitions as ranges of numbers.

A partition is a whole number on the line of its `grain`; `calendar`, `every` and `cron` are the
grains. Knows nothing of datasets, files or the clock.
"""
