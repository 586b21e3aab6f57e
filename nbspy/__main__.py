"""``python -m nbspy`` is the command ``nbspy``."""

import sys

from nbspy.cli import main

sys.exit(main())
