"""Sends a message: by a command, a webhook, mail, or any service that apprise knows.

Knows nothing of when anything is told, or of what was told before. What is secret comes from the
environment, and nothing that a channel says holds it.
"""
