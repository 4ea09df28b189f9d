"""The code fingerprint: which code a task's result rests on, and what could not be followed.

`fingerprint` asks; `reach` follows names from module to module, `additions` what changes things far
away. Knows nothing of plans or files: the text of modules is handed to it.
"""
