"""How fast the explorer is in a real browser, and the same profiles in other viewers: ``python -m bench.browser``."""
