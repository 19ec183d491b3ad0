"""Both ways begin and end where they should, and differ in between."""
import numpy as np
import pytest

from minivae.extras.explorer.paths import spherical, straight


@pytest.mark.parametrize("D", [1, 2, 16])
def test_ways_lead_from_one_code_to_the_other(D):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, D))
    for way in straight, spherical:
        codes = way(a, b, 9)
        assert codes.shape == (9, D)
        np.testing.assert_allclose(codes[[0, -1]], [a, b], atol=1e-15)
    line = straight(a, b, 9)
    np.testing.assert_allclose(np.diff(line, axis=0), np.tile((b - a) / 8,
                                                              (8, 1)))


def test_an_arc_stays_as_far_out_and_turns_evenly():
    a, b = np.array([3.0, 0, 0]), np.array([0, 0, 5.0])
    codes = spherical(a, b, 11)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1),
                               np.linspace(3, 5, 11))
    turn = np.degrees(np.arctan2(codes[:, 2], codes[:, 0]))
    np.testing.assert_allclose(turn, np.linspace(0, 90, 11), atol=1e-12)


@pytest.mark.parametrize("b", [[-2.0, 0], [0, 0], [1.0, 0], [3.0, 0]])
def test_where_there_is_no_arc_it_is_straight(b):
    a, b = np.array([1.0, 0]), np.array(b)
    np.testing.assert_allclose(spherical(a, b, 5), straight(a, b, 5))
