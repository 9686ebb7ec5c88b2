import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules.percentiles import bucket, bucket_percentile, jitter, p50, p95, percentile

latencies = st.lists(st.floats(0.001, 3_600_000), min_size=1, max_size=50)


def test_nothing_has_no_percentile() -> None:
    assert p50(()) is None
    assert p95(()) is None
    assert jitter((1.0,)) is None
    assert bucket_percentile((), 0.95) is None


def test_neighbours_are_interpolated() -> None:
    assert p50((4.0, 1.0, 3.0, 2.0)) == 2.5
    assert p95(tuple(range(1, 22))) == 20
    assert p95((7.0,)) == 7.0


def test_jitter_is_the_mean_step_in_the_order_measured() -> None:
    assert jitter((1.0, 3.0, 2.0)) == 1.5
    assert jitter((1.0, 2.0, 3.0)) == 1.0


@given(latencies, st.floats(0, 1))
def test_a_percentile_lies_within(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found is not None
    assert min(values) <= found <= max(values) or math.isclose(found, max(values))


@given(latencies, st.sampled_from([0.5, 0.95, 1.0]))
def test_buckets_are_never_too_low_and_less_than_a_tenth_too_high(values: list[float], share: float) -> None:
    exact = sorted(values)[math.ceil(share * len(values)) - 1]
    found = bucket_percentile([(bucket(value), 1) for value in values], share)
    assert found is not None
    assert exact * (1 - 1e-9) <= found <= exact * 1.1 * (1 + 1e-9)


def test_the_same_bucket_may_come_from_many_hours() -> None:
    assert bucket_percentile([(3, 1), (5, 1), (3, 8)], 0.9) == pytest.approx(1.1**3)


def test_what_is_too_small_or_too_large_to_matter_has_a_bucket_too() -> None:
    assert bucket(0.0) == bucket(0.001)
    assert bucket(math.inf) == bucket(3_600_000)
