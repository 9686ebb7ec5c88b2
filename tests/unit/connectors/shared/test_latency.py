from connectors.shared.latency import latency_facts
from domain.models.fact import Fact


def test_round_trips_become_three_facts_in_milliseconds():
    assert latency_facts([1.0, 2.0, 3.0, 4.0, 10.0]) == (
        Fact("latency_p50", "3.000", "ms"),
        Fact("latency_p95", "8.800", "ms"),
        Fact("latency_jitter", "2.250", "ms"),
    )


def test_what_was_not_measured_is_not_told():
    assert latency_facts([]) == ()
    assert [fact.name for fact in latency_facts([1.0])] == ["latency_p50", "latency_p95"]
