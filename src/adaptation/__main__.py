"""`python -m adaptation`: the same as the command `adaptation`."""

import sys

from adaptation.cli import main

if __name__ == "__main__":
    sys.exit(main())
