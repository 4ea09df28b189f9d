"""Sends OpenLineage events of what runs made: a range of partitions an event.

Knows nothing of how anything was made: it reads the record of runs that have ended, also of those
that somebody began by hand.
"""
