"""Partition keys as people see and type them: a time of UTC ends in Z.

Knows nothing of grains. What is recorded, paths and JSON have keys without the Z.
"""

from __future__ import annotations

import re

_TIME = re.compile(r"(?a)\d{4}-\d\d-\d\dT\d\d(\d\d)?")
_WORD = re.compile(rf"(?a)(?<!\S){_TIME.pattern.removeprefix('(?a)')}(?=[\s,]|$)")


def shown_key(key: str) -> str:
    """A key as people see it: a time of UTC gets a Z, every other key stays as it is."""
    return f"{key}Z" if _TIME.fullmatch(key) else key


def plain_key(text: str) -> str:
    """The key as it is recorded, from a text that somebody typed with the Z or without."""
    return text[:-1] if text.endswith("Z") and _TIME.fullmatch(text[:-1]) else text


def shown_keys_in(text: str) -> str:
    """A text of partflow's own, such as a range or a grain, with its keys as people see them."""
    return _WORD.sub(lambda match: shown_key(match[0]), text)
