"""What a user declares: datasets, how they are read, tasks, and the graph that follows.

Knows nothing of what exists, nor of where it lies.
"""
