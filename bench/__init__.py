"""The figures, side by side with the peers, in one run: ``make bench``.

The machine's speed drifts, so peers take turns and the medians of repeated runs are compared as ratios. A row that
cannot be measured here says why instead of standing empty.
"""
