"""What a few round trips show, told alike by every connector: advice rests on these names."""

from collections.abc import Sequence

from domain.models.fact import Fact
from domain.rules.percentiles import jitter, p50, p95


def latency_facts(times_ms: Sequence[float]) -> tuple[Fact, ...]:
    """Median, 95th percentile and jitter (mean difference of neighbours), in ms; what cannot be told is left out."""
    measured = {"latency_p50": p50(times_ms), "latency_p95": p95(times_ms), "latency_jitter": jitter(times_ms)}
    return tuple(Fact(name, f"{value:.3f}", "ms") for name, value in measured.items() if value is not None)
