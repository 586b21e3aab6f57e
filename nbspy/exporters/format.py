"""What a format is: a name, a file suffix, and a function that writes a profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from nbspy.model.profile import Profile
from nbspy.options import ContentOptions


@dataclass(frozen=True, slots=True)
class Exporter:
    """One format."""

    name: str
    suffix: str
    """With the dot, and with what goes before it where one dot says too little: ``.trace.json``."""
    description: str
    write: Callable[[Profile, BinaryIO, ContentOptions], None]
    """Writes the profile to the stream; the options say which samples, and how frames are written."""
    other_suffixes: tuple[str, ...] = ()
    """Suffixes that files of the format have elsewhere."""
    holds_source: bool = False
    """Whether lines of source are written, where the profile has them."""


def chosen(profile: Profile, options: ContentOptions) -> Profile:
    """Return the samples that the options ask for: of active threads, or all with ``idle``; ``gil`` narrows both."""
    if options.gil:
        return profile.select(states="gil")
    return profile if options.idle else profile.select(states="active")


def with_states(profile: Profile, options: ContentOptions) -> Profile:
    """Return the samples for a format that tells each sample's state: all, or with ``gil`` those that hold it."""
    return profile.select(states="gil") if options.gil else profile
