"""Says what is stale by its code alone: what is made by hand, and kept by what runs by itself.

Knows nothing of who is told. It is decided as everything is: by planning once more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.planning.plan import Automatic, Plan, Reason
from partflow.planning.planner import plan

if TYPE_CHECKING:
    from partflow.planning.plan import Mask


def by_code_alone(whole: Plan) -> dict[str, Mask]:
    """By task which of its partitions are stale only since other code made them.

    They count as such also where something holds them up. Tasks that have none are left out, and of
    a plan of what runs by itself all are: there they are fresh.
    """
    coded = {n: np.isin(t.need, (Reason.CODE, Reason.RECKONED)) for n, t in whole.tasks.items()}
    coded = {name: mask for name, mask in coded.items() if mask.any()}
    if not coded:
        return {}
    request = replace(whole.request, wanted=None, force=None, automatic=Automatic())
    kept = plan(whole.graph, whole.snapshot, request).tasks
    alone = {name: mask & (kept[name].need == Reason.NONE) for name, mask in coded.items()}
    return {name: mask for name, mask in alone.items() if mask.any()}
