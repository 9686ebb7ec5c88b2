"""How we speak with our own Redis: with deadlines, and without retries of the driver's own."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 3.0
FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 5.0

# What says that Redis is away; TimeoutError is an OSError.
AWAY = (RedisError, OSError)


def connect(url: str) -> Redis:
    """A client that connects when it is first used; the caller closes it with `aclose`."""
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


class Backoff:
    """Pauses between attempts: 0.1 s, then twice as long each time, at most 5 s."""

    def __init__(self) -> None:
        self._next_s = FIRST_BACKOFF_S

    @property
    def is_first(self) -> bool:
        """Whether nothing has failed since the last success."""
        return self._next_s == FIRST_BACKOFF_S

    def reset(self) -> None:
        """It worked."""
        self._next_s = FIRST_BACKOFF_S

    def failed(self) -> float:
        """Seconds to wait before the next attempt."""
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, LONGEST_BACKOFF_S)
        return pause_s
