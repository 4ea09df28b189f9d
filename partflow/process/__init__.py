"""What this process has and shares: processors, memory, standard streams, signals.

Knows nothing of datasets, tasks or runs.
"""
