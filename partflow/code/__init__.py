"""The code fingerprint: which code a task's result rests on, and what could not be followed.

`fingerprint` asks. `reach` follows names from module to module; `closure` adds the statements that
change such a name from elsewhere, which `changes` finds with what `touches` knows of methods,
operators and libraries; `regions` keeps what many tasks reach. Knows nothing of plans or files: the
text of modules is handed to it.
"""
