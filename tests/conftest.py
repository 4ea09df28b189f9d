"""What holds for every test: hypothesis tries as many examples as the profile says, in any time."""

import signal

import profiles  # noqa: F401 - it loads the profile

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has Ctrl-C ignored by what it starts in the background; what tests start inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
