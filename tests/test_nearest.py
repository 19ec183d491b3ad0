"""The nearest image is the one that a plain loop finds."""
import numpy as np

from minivae.extras.nearest import nearest


def test_it_counts_the_pixels_that_differ():
    rng = np.random.default_rng(0)
    images = rng.random((130, 4, 4, 1))                 # made black or white
    others = rng.integers(0, 2, (50, 4, 4, 1), "uint8")
    places, distances = nearest(images, others)
    for image, place, distance in zip(images, places, distances, strict=True):
        counts = [int(((image > 0.5) != other).sum()) for other in others]
        assert distance == min(counts) == counts[place]
