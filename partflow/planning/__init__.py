"""What is to be made, and why: graph, snapshot and request in, a plan with reasons out.

`planner` decides, a `plan` is what it decided, as arrays; `snapshot` is all that it goes by. A dry
run, an explanation, a page and a run read one and the same plan. Knows nothing of files, clocks or
processes.
"""
