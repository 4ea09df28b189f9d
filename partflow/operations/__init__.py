"""What can be asked for, a module each: run, accept, check, explain, roll back, rebuild, sweep.

Each is handed the graph, the store and the metastore, and does one thing. Knows nothing of the
command line, nor of how a project is found.
"""
