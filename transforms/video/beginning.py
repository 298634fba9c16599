"""Where a film or a sound begins: moment 0 of posters, excerpts and streams alike."""

from fractions import Fraction

from av.container import InputContainer

from transforms.video.header import picture_of


def beginning(container: InputContainer) -> Fraction:
    """When that is, in seconds of the container's own clock.

    A film begins when its first frame is shown, whatever is heard before; a sound begins with its first sample.
    """
    film = picture_of(container)
    streams = container.streams.audio if film is None else (film,)
    starts = [
        stream.start_time * stream.time_base
        for stream in streams
        if stream.start_time is not None and stream.time_base is not None
    ]
    return max(Fraction(0), min(starts, default=Fraction(0)))
