"""The recording itself: the stream as the sampler writes it (:mod:`nbspy.wire`), which loses nothing."""

from __future__ import annotations

from typing import BinaryIO, Final

from nbspy.exporters.format import Exporter, with_states
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions


def write_recording(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile``, idle threads too; of the options only ``gil`` has a meaning."""
    stream.write(stream_of(with_states(profile, options)))


RECORDING: Final = Exporter("nbspy", ".nbspy", "the whole recording, for nbspy itself", write_recording, (), True)
