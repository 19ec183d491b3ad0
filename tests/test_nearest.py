"""The nearest image is the one that a plain loop finds."""
import numpy as np
import pytest

from common.nearest import nearest


def test_it_counts_the_pixels_that_differ():
    rng = np.random.default_rng(0)
    images = rng.random((130, 4, 4, 1))                 # made black or white
    others = rng.integers(0, 2, (50, 4, 4, 1), "uint8").astype(bool)
    places, distances = nearest(images, others)
    for image, place, distance in zip(images, places, distances, strict=True):
        counts = [int(((image > 0.5) != other).sum()) for other in others]
        assert distance == min(counts) == counts[place]


def test_grey_bytes_are_made_black_or_white_in_their_middle():
    grey = np.array([[127, 128, 255], [0, 0, 1]], "uint8")
    places, distances = nearest(grey, np.eye(3, dtype=bool))
    assert places.tolist() == [1, 0] and distances.tolist() == [1, 1]


@pytest.mark.parametrize("others, error, sentence", [
    (np.ones((2, 3), "uint8"), ValueError, "bytes of 0 and 1, but a byte"),
    (np.ones((2, 3), int), TypeError, "the images are int64, but bool"),
    (np.ones((0, 3), bool), ValueError, "there are no others"),
])
def test_others_that_are_none(others, error, sentence):
    with pytest.raises(error, match=sentence):
        nearest(np.ones((1, 3), bool), others)
