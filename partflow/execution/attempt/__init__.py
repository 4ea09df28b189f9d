"""One order from what it reads to files that are sealed, wherever it is carried out.

Knows nothing of the run that it belongs to, nor of what is published.
"""
