"""Numbers in sentences: signed points, spans, and no more digits than are known."""

import pytest

from transfer.answers.wording import about, points, spans


@pytest.mark.parametrize(
    ("difference", "text"), [(0.0234, "+2.3"), (-0.0996, "-10.0"), (-0.0004, "+0.0"), (0, "+0.0")]
)
def test_points_are_signed_and_never_minus_zero(difference, text):
    assert points(difference) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([4, 1, 2], "1, 2, 4"), (range(14), "0-13"), ([1, 2, 3, 7], "1-3, 7")],
)
def test_three_neighbours_or_more_are_a_span(numbers, text):
    assert spans(numbers) == text


def test_a_sample_size_has_two_digits():
    assert about(30_912) == "about 31,000"
    assert about(3_000_000) == "more than a million"
