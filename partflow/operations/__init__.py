"""What can be asked for, a module each: run, accept, check, explain, roll back, sweep, read.

Knows nothing of the command line, nor of how configuration is found.
"""
