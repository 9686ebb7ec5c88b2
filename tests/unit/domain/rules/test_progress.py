from hypothesis import given
from hypothesis import strategies as st

from domain.rules.progress import eta_s, share_done


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_progress_never_goes_back_and_leaves_room_for_publishing(listed: int, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert 0 <= share_done(less, listed) <= share_done(more, listed) <= 0.95


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 10_000))
def test_an_eta_is_a_positive_number_or_not_there(done: int, listed: int, elapsed_s: float) -> None:
    seconds = eta_s(done, listed, elapsed_s)
    assert seconds is None or seconds >= 1


def test_there_is_no_eta_without_evidence() -> None:
    assert eta_s(19, 1_000, 60.0) is None
    assert eta_s(500, 1_000, 0.9) is None


def test_the_eta_follows_the_mean_pace() -> None:
    assert eta_s(250, 1_000, 10.0) == 30
    assert eta_s(1_000, 1_000, 10.0) == 1


def test_a_steady_run_counts_down_evenly() -> None:
    etas = [eta_s(done, 1_000, done / 100) for done in range(100, 1_000, 100)]
    assert etas == [9, 8, 7, 6, 5, 4, 3, 2, 1]
