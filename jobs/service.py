"""Puts the champion into service, unless its data or its errors say no."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from jobs.champion import champion
from jobs.deployment import switch_release
from jobs.linear import linear_model
from jobs.model_card import model_card
from jobs.quality import demand_quality
from jobs.tree import tree_model
from partflow import Partition, effect

# What has to be at hand for each model to forecast; the baseline needs no file.
NEEDS = {"linear": ("linear",), "tree": ("tree",), "mean": ("linear", "tree"), "baseline": ()}


@effect(
    reads={
        "champion": champion,
        "model_card": model_card,
        "linear": linear_model,
        "tree": tree_model,
        "quality": demand_quality,
    },
    only="latest",
)
def deployed_model(
    champion: pl.DataFrame,
    model_card: pl.DataFrame,
    linear: list[Path],
    tree: list[Path],
    quality: pl.DataFrame,
    partition: Partition,
) -> None:
    """`deployed/current/` holds what the champion needs, and its errors out of sample.

    Where this raises, what was deployed before stays in service.
    """
    chosen = chosen_of(champion)
    refuse_if_worse(chosen, champion)
    refuse_if_unfit(quality)
    errors = {name: chosen[name] for name in ("wape", "bias")}
    about = {"week": partition.key, "champion": chosen["model"], "errors": errors}
    files = {"linear": linear[0], "tree": tree[0]}
    release = {
        "model.json": json.dumps(about, indent=2).encode(),
        "model_card.json": model_card.drop("week").write_json().encode(),
        **{
            f"{name}_model{files[name].suffix}": files[name].read_bytes()
            for name in NEEDS[chosen["model"]]
        },
    }
    switch_release(partition.key, release)


def chosen_of(champion: pl.DataFrame) -> dict[str, Any]:
    """Name and errors of the model that is to be in service."""
    if champion.is_empty():
        raise ValueError("no model has been judged yet: nothing is put into service")
    (chosen,) = champion.filter("in_service").to_dicts()
    return chosen


def refuse_if_worse(chosen: dict[str, Any], champion: pl.DataFrame) -> None:
    """A model that is worse than no model is not for service."""
    worse_than = champion.filter(pl.col("model") == "baseline", pl.col("wape") < chosen["wape"])
    if not worse_than.is_empty():
        raise ValueError(
            f"{chosen['model']} has a WAPE of {chosen['wape']:.3f} over eight weeks, and the "
            f"baseline {worse_than['wape'][0]:.3f}: what is in service stays"
        )


def refuse_if_unfit(quality: pl.DataFrame) -> None:
    """Who learned from a day that failed its checks may have learned nonsense."""
    failed = quality.filter(~pl.col("passed")).sort("date")
    if not failed.is_empty():
        days = ", ".join(str(day) for day in failed["date"])
        raise ValueError(f"the data of {days} failed its checks: what is in service stays")
