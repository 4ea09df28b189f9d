"""A plan carried out: what is next, who does it, and what becomes of it.

`runner` is the one loop, `state` the life of each step, `publisher` makes outputs current;
`executors` say where attempts are carried out, `attempt` how. Decides nothing about freshness: that
is the plan's.
"""
