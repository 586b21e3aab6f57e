"""The figures, side by side with the peers, in one run: ``make bench``.

The machine's speed drifts, so contestants take turns, and medians of repeated turns are compared as ratios. What cannot
be measured here says why instead of standing empty, and a contestant that fails ends its own row, not the run.

``case.py`` has the values: a *case* is measured in one go and gives *rows*. Each module that ``registry.py`` names
offers cases; ``peers.py`` has the contestants, ``recording.py`` one recording by one of them; ``goals.py`` says what is
to be reached, ``report.py`` and ``page.py`` show it.
"""
