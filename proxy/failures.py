"""What can go wrong around the pixels: origins, workers and permissions; statuses belong to the edge."""

from collections.abc import Callable
from dataclasses import dataclass

from transforms.errors import Refusal


class NoSuchOriginal(Refusal):
    """The mount has nothing under this key."""

    code = "no_such_original"


class NoSuchRendition(Refusal):
    """The original is there, but the name asked for is none of its renditions."""

    code = "no_such_rendition"


@dataclass(eq=False)
class RangeNotSatisfiable(Refusal):
    """The range lies behind the end of what was asked for."""

    code = "range_not_satisfiable"

    length: int = 0
    """Bytes of the whole."""


class Forbidden(Refusal):
    """The policy of the key or the mount does not allow the plan."""

    code = "forbidden"


@dataclass(eq=False)
class MethodNotAllowed(Refusal):
    """The path is not for this method; `Allow` has those that it is for."""

    code = "method_not_allowed"

    allowed: str = ""


class InsidersOnly(Refusal):
    """How the server works is for clients on its machine and for those with the admin token."""

    code = "insiders_only"


class OtherSite(Refusal):
    """The pages of other sites may neither read nor change this."""

    code = "other_site"


class NoToken(Refusal):
    """The server's own interface is for those with a token."""

    code = "no_token"


class OutOfScope(Refusal):
    """The token is not for this."""

    code = "out_of_scope"


class BadBody(Refusal):
    """The body of a request to the server's own interface cannot be read, or asks for what is not there."""

    code = "bad_body"


class WrongMediaType(Refusal):
    """The body of a request is of another kind than the one that is read here."""

    code = "wrong_media_type"


class KeyReused(Refusal):
    """The same Idempotency-Key came with another body before."""

    code = "idempotency_key_reused"


class NoSuchPurge(Refusal):
    """There is no purge of this id; the last thousand are known to the server that was asked for them."""

    code = "no_such_purge"


@dataclass(eq=False)
class NoSuchPlan(Refusal):
    """No plan of a stream is known under this id, and what is there now is planned otherwise."""

    code = "no_such_plan"

    retry_after: float = 5.0


class OriginalGone(Refusal):
    """The original that a stream was planned for is not there any more, and no copy of it is."""

    code = "original_gone"


class OriginFailed(Refusal):
    """The place where originals live answered with an error, or not at all."""

    code = "origin_failed"


class OriginalReplaced(OriginFailed):
    """Another version of the original is there by now than the one that was asked for."""

    code = "original_replaced"


class NoParts(OriginFailed):
    """The place gives this original whole alone, or with nothing that its parts could be known by."""

    code = "no_parts"


class AlreadyExists(Refusal):
    """Something is there already under the key of what should be new."""

    code = "already_exists"


class OriginTimedOut(Refusal):
    """The place where originals live did not answer in time."""

    code = "origin_timed_out"


class NoRoom(Refusal):
    """This machine has no room for a copy of the original."""

    code = "no_room"


class Looped(Refusal):
    """The request comes from a server like this one that fetches an original, which would go on in a circle."""

    code = "looped"


@dataclass(eq=False)
class Busy(Refusal):
    """More work waits than can be done in time."""

    code = "busy"

    retry_after: float = 1.0
    promise: Callable[[], float] | None = None

    def promised(self) -> float:
        """Seconds after which to come again, for who is told them: from now on a place may be kept for him."""
        return self.promise() if self.promise else self.retry_after


@dataclass(eq=False)
class RateLimited(Refusal):
    """The client, or the key of the URL, asks more often than it may."""

    code = "rate_limited"

    retry_after: float = 1.0
    quota: str = ""
    """What is allowed, as an item of the field RateLimit-Policy."""


class Preempted(Busy):
    """Work that nobody waits for made room for work that somebody waits for."""


class TimedOut(Refusal):
    """The work took longer than its limit and was stopped."""

    code = "timeout"


class WorkerLost(Refusal):
    """The worker ended in the middle of the work, and so did the one that tried again."""

    code = "worker_lost"


@dataclass(eq=False)
class Poisoned(Refusal):
    """This work has ended workers before and is not tried again for a while."""

    code = "poisoned"

    retry_after: float = 1.0


class ClosingDown(Refusal):
    """The server is stopping and takes no new work."""

    code = "closing_down"


class WorkFailed(Refusal):
    """The work failed in a way that nobody foresaw; the log of the workers tells more."""

    code = "internal"
