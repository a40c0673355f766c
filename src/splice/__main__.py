"""`python -m splice` is the command `splice`."""

import sys

from splice.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
