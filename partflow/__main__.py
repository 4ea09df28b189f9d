"""Makes `python -m partflow` the command line.

Knows nothing but where that is.
"""

import sys

from partflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
