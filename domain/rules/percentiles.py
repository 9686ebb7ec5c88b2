"""Percentiles of latencies: exact ones of few values, and close ones of many that are kept as counts per bucket.

Bucket b holds latencies above 1.1^(b-1) and up to 1.1^b ms. Its answer is the bucket's upper end: never
too low, and less than 10 % too high.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

_STEP = math.log(1.1)
_LOWEST_MS, _HIGHEST_MS = 0.001, 3_600_000.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` (0 to 1) of the values do not exceed, interpolated between neighbours; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def p50(values: Sequence[float]) -> float | None:
    """The median."""
    return percentile(values, 0.5)


def p95(values: Sequence[float]) -> float | None:
    """What one in twenty exceeds."""
    return percentile(values, 0.95)


def jitter(values: Sequence[float]) -> float | None:
    """The mean difference between one value and the next, in the order measured; None of fewer than two."""
    steps = [abs(second - first) for first, second in pairwise(values)]
    return sum(steps) / len(steps) if steps else None


def bucket(latency_ms: float) -> int:
    """The bucket of a latency; those under 1 µs and over 1 h are taken as these."""
    return math.ceil(math.log(min(max(latency_ms, _LOWEST_MS), _HIGHEST_MS)) / _STEP)


def bucket_percentile(counts: Iterable[tuple[int, int]], share: float) -> float | None:
    """What `share` of the latencies (bucket, how many) did not exceed, in ms. A bucket may come more than once."""
    summed: dict[int, int] = {}
    for number, count in counts:
        summed[number] = summed.get(number, 0) + count
    wanted = share * sum(summed.values())
    reached = 0
    for number in sorted(summed):
        reached += summed[number]
        if reached >= wanted:
            return math.exp(number * _STEP)
    return None
