"""Unit tests run beside each other on small machines: a slow example is not a failing one."""

from hypothesis import settings

settings.register_profile("nbspy", deadline=None)
settings.load_profile("nbspy")
