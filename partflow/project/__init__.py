"""The wiring: configuration, the user's code, the clock, and `Project`, which has all parts made.

Takes no decision about partitions itself.
"""
