import numpy as np


def epoch(images, labels, batch_size, rng):
    places = np.arange(len(images))
    rng.shuffle(places)
    return [(images.take(part, axis=0), labels.take(part))
            for part in np.split(places, range(batch_size, len(images),
                                               batch_size))]
