from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbspy.sampling.stop_histogram import DurationHistogram


def test_histogram_of_nothing_is_zero_everywhere() -> None:
    histogram = DurationHistogram()

    assert (histogram.count, histogram.total_ns, histogram.quantile(0.5), histogram.quantile(1)) == (0, 0, 0, 0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantile_is_within_a_tenth_of_the_duration_at_that_rank(durations: list[int], share: float) -> None:
    histogram = DurationHistogram()
    histogram.add(durations[:50])
    histogram.add(durations[50:])

    ordered = sorted(durations)
    rank = next(index for index in range(len(ordered)) if index + 1 >= share * len(ordered))
    expected = max(ordered[rank], 1)
    assert abs(histogram.quantile(share) - expected) <= 0.1 * expected + 1
    assert (histogram.count, histogram.total_ns) == (len(durations), sum(durations))
