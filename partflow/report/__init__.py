"""What people are told, as documents (`--output json`) and as lines of text.

Knows nothing of commands and options: whoever shows a report prints it.
"""
