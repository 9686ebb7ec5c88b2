"""How far a discovery is, and how long it still takes: from tables listed, tables done, and the time of reading."""

import math

_READING = 0.95  # reading's share of a run; publishing follows
_MIN_DONE, _MIN_ELAPSED_S = 20, 1.0  # less is no evidence: the first batch also pays for the listing


def share_done(done: int, listed: int) -> float:
    """0 to 0.95, never less for more tables done."""
    return _READING * (min(done, listed) / listed) if listed else 0.0


def eta_s(done: int, listed: int, elapsed_s: float) -> int | None:
    """Seconds to go, at the mean pace so far, which forgives single slow tables; None before there is evidence."""
    if done < _MIN_DONE or elapsed_s < _MIN_ELAPSED_S:
        return None
    return max(1, math.ceil(elapsed_s * max(0, listed - done) / done))
