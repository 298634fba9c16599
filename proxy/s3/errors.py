"""What a bucket can answer instead of what it was asked for; the texts are for a log and hold no secret."""


class S3Error(OSError):
    """A bucket did not do what it was asked."""


class Missing(S3Error):
    """There is nothing under this key, or not this version of it."""


class Changed(S3Error):
    """What is there by now is another version."""


class Exists(S3Error):
    """Something is there already."""


class PastEnd(S3Error):
    """The object ends before the bytes that were asked for."""


class Denied(S3Error):
    """The credentials are missing, wrong, or not enough for this."""


class Refused(S3Error):
    """The request makes no sense to the bucket, which may itself be missing or live elsewhere."""


class Damaged(S3Error):
    """What came is not whole, or not what was promised."""


class Unavailable(S3Error):
    """The bucket failed, or could not be reached."""


class TimedOut(S3Error):
    """The time was over before there was an answer."""


class Slow(TimedOut):
    """The bucket itself took too long, not those who waited before."""


DOWN = (Unavailable, Slow)
"""Errors that speak against the whole place."""

PASSING = (*DOWN, Damaged)
"""Errors after which the same may work."""
