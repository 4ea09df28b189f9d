"""What is to be made, and why: graph, snapshot and request in, a plan with reasons out.

Knows nothing of files, clocks or processes.
"""
