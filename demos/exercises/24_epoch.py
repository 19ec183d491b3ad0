"""An epoch: every image once, in random order

Training goes through all images again and again, in batches. Were their order
the same each time, the batches would be, too, and the last images would always
have the last word. So each epoch draws a new order.

Write epoch, a generator that yields (images, labels) of one batch after the
other. Each image comes once, with its own label; the last batch is smaller
where batch_size does not divide N. Draw from rng, and from nothing else.
"""
import numpy as np


def epoch(images, labels, batch_size, rng):
    """Yield all images (N, ...) with their labels (N,), shuffled."""
    # rng: a numpy.random.Generator; images and labels are not changed
    raise NotImplementedError
