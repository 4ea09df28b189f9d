"""Keeps a warehouse fresh by itself: what has become due is made, and somebody is told.

A tick is a pure decision over what was seen, what is remembered and the time (`decide`). Around it
stand the process that leads, its children, and the channels by which people are told. The leading
process never imports the user's code: only a child does, and sends an `Outlook`. It does not know
how anything is planned, made or published: `project` does that.
"""
