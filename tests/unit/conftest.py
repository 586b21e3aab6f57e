"""How property tests run: in CI every one tries 100 examples, on a person's machine 25, unless it says otherwise.

They run beside each other on small machines: a slow example is not a failing one.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", deadline=None, max_examples=100)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("ci" if os.environ.get("CI") else "quick")
