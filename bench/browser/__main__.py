"""``python -m bench.browser``: the figures of the browser alone; the same as ``python -m bench browser:``."""

from __future__ import annotations

import sys

from bench.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["browser:", *sys.argv[1:]]))
