"""Starts the sampler process: a script, run with ``-P -S``, that imports as little as can be before the sampler itself.

Importing :mod:`site` and running a module take a tenth of the time until the first sample. What ``site`` would have
put on the path, and is needed, comes in an environment variable; without it ``site`` is asked. It goes behind the
standard library, where a package that is called like a module of it hides none.
"""

from __future__ import annotations

import gc
import os
import sys

FOLDERS = "NBSPY_SAMPLER_PATH"
"""Names the variable: folders, as in ``PYTHONPATH``."""


def main() -> int:
    gc.disable()  # until what is imported has been put aside: to look through it all takes 4 ms
    folders = os.environ.pop(FOLDERS, "")
    if folders:
        sys.path.extend(folders.split(os.pathsep))
    else:
        import site

        site.main()
    from nbspy.sampling.worker import main as work

    return work()


if __name__ == "__main__":
    sys.exit(main())
