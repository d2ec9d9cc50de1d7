"""Numbers in sentences: signed points, spans, and no more digits than are known."""

import pytest

from transfer.wording import part_of, percent, points, spans


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


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "half"), (0.19, "a fifth"), (0.863, "86 %"), (0.027, "2.7 %")]
)
def test_a_part_is_said_as_a_person_would_where_that_comes_near(share, text):
    assert part_of(share) == text


def test_no_probability_is_a_certainty():
    assert (percent(1.0), percent(0.0), percent(0.952)) == ("over 99 %", "under 1 %", "95 %")
