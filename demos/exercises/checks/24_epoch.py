"""An epoch's batches, and what goes wrong with them."""
import numpy as np

from common.exercise import Exercise, Mistake


def cases(rng):
    return [{"images": rng.random((N, 2, 2, 1)), "labels": np.arange(N),
             "batch_size": size} for N, size in ((40, 16), (30, 10), (12, 50))]


def describe(epoch, images, labels, batch_size):
    """Describe two epochs by what any right answer has in common."""
    def draw(rng):
        batches = [(np.copy(x), np.copy(y)) for x, y in epoch(
            images, labels, batch_size, rng)]
        order = [[places.get(image.tobytes(), len(images)) for image in x]
                 for x, _ in batches]
        same = [np.array_equal(a, y) for a, (_, y) in zip(order, batches)]
        return order, all(same)
    places = {image.tobytes(): i for i, image in enumerate(images)}
    rng = np.random.default_rng(0)
    first, fits = draw(rng)
    second, _ = draw(rng)
    again, _ = draw(np.random.default_rng(0))
    return {
        "the number of images in each batch": [len(batch) for batch in first],
        "how often each image comes": np.bincount(
            sum(first, []), minlength=len(images)),
        "the labels' order": float(fits),
        "order within batches": float(any(
            (np.diff(batch) != 1).any() for batch in first)),
        "which images are in a batch": float(len(first) == 1 or any(
            np.ptp(batch) >= len(batch) for batch in first)),
        "a new order in the next epoch": float(first != second),
        "repeatability": float(first == again)}


def by_order(draw_order):
    """An epoch in the order that draw_order(N, batch_size, rng) gives."""
    def epoch(images, labels, batch_size, rng):
        order = draw_order(len(images), batch_size, rng)
        for start in range(0, len(images), batch_size):
            part = order[start:start + batch_size]
            yield images[part], labels[part]
    return epoch


def permutation(N, batch_size, rng):
    return rng.permutation(N)


def last_dropped(images, labels, batch_size, rng):
    order = rng.permutation(len(images))
    for i in range(len(images) // batch_size):
        part = order[i * batch_size:(i + 1) * batch_size]
        yield images[part], labels[part]


def batches_shuffled(N, batch_size, rng):
    batches = [np.arange(N)[i:i + batch_size]
               for i in range(0, N - N % batch_size, batch_size)]
    rest = np.arange(N - N % batch_size, N)
    return np.concatenate([*(batches[i] for i in rng.permutation(
        len(batches))), rest])


def within_batches(N, batch_size, rng):
    return np.concatenate([rng.permutation(np.arange(i, min(
        i + batch_size, N))) for i in range(0, N, batch_size)])


def labels_stay(images, labels, batch_size, rng):
    for start in range(0, len(images), batch_size):
        if start == 0:
            order = rng.permutation(len(images))
        part = slice(start, start + batch_size)
        yield images[order[part]], labels[part]


def new_order_for_each_batch(images, labels, batch_size, rng):
    for start in range(0, len(images), batch_size):
        part = rng.permutation(len(images))[start:start + batch_size]
        yield images[part], labels[part]


def mistake(name, look, epoch, *only):
    def gives(**case):
        outputs = describe(epoch, **case)
        return {k: outputs[k] for k in only or outputs}
    return Mistake(name, look, gives)


SIZES, OFTEN, LABELS, WITHIN, WHICH, NEW, REPEATABLE = describe(
    by_order(permutation), np.arange(3.), np.arange(3), 2)

EXERCISE = Exercise(
    needs=("epoch",), read="minivae/train.py", single=False,
    hints=("Shuffle places, not images: one order serves images and labels.",
           "rng.permutation(N) returns the numbers from 0 to N - 1 in random "
           "order. Draw it once in an epoch.",
           "For start in range(0, N, batch_size), the batch is "
           "order[start:start + batch_size]: a slice may end beyond N. An "
           "array in brackets picks those images."),
    cases=cases, run=lambda its, **case: describe(its.epoch, **case),
    right=lambda **case: describe(by_order(permutation), **case),
    mistakes=[
        mistake("images in their own order, never shuffled",
                "where is rng used?",
                by_order(lambda N, batch_size, rng: np.arange(N)),
                WITHIN, WHICH, NEW),
        mistake("a last batch that is left out, as it is smaller",
                "N // batch_size rounds down.", last_dropped, SIZES, OFTEN),
        mistake("batches in random order, but always the same batches",
                "shuffle images, not batches.", by_order(batches_shuffled),
                WITHIN, WHICH),
        mistake("images shuffled within their batch only",
                "every image may come into every batch.",
                by_order(within_batches), WHICH),
        mistake("labels that are not shuffled with their images",
                "one order for both.", labels_stay, LABELS),
        mistake("the same order in every epoch: a seed of its own",
                "use the rng that is given; a new generator with a seed "
                "begins again each time.",
                by_order(lambda N, batch_size, rng: np.random.default_rng(
                    0).permutation(N)), NEW),
        Mistake("random numbers that are not rng's: no seed repeats them",
                "draw with rng.permutation, not with np.random or a generator "
                "of your own.", lambda **_: {REPEATABLE: 0.0}),
        mistake("images that are drawn with replacement",
                "some come twice and others not at all: draw an order, once.",
                by_order(lambda N, batch_size, rng: rng.integers(N, size=N)),
                OFTEN),
        mistake("a new order for each batch: some come twice, others not",
                "draw the order once, before the loop.",
                new_order_for_each_batch, OFTEN)])
