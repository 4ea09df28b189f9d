"""Where attempts are carried out: this process, threads, worker processes.

Knows nothing of what is next in a run, nor of what becomes of outcomes.
"""
