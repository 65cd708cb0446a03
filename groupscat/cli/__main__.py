"""``python -m groupscat.cli``."""

import sys

from groupscat.cli import main

if __name__ == "__main__":
    sys.exit(main())
