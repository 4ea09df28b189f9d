"""What people are told, as data and as text; the command line prints it.

Knows nothing of options or terminals beyond their width.
"""
