"""What this process has and shares: processors, memory, standard streams, signals.

And what a process that it began has written, and how that ended. Knows nothing of datasets, tasks
or runs.
"""
