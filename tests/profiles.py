"""How many examples hypothesis tries: `HYPOTHESIS_PROFILE=many` for the long run, else `dev`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# Whether a change goes in is no matter of luck; who works on it draws other examples each time.
settings.register_profile(
    "dev",
    max_examples=50,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=SLOW,
)
settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, suppress_health_check=SLOW
)
settings.register_profile("many", max_examples=20_000, deadline=None, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
