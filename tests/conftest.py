"""What holds for every test: hypothesis tries as many examples as the profile says, in any time."""

import profiles  # noqa: F401 - it loads the profile
