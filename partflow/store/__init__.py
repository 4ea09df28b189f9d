"""Where bytes lie: files by dataset and key, their identities, staging, history and locks.

Knows nothing of what files hold, nor of what is recorded.
"""
