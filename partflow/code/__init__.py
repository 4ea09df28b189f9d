"""The code fingerprint: which code a task's result rests on, and what could not be followed.

Knows nothing of plans or files: the text of modules is handed to it.
"""
