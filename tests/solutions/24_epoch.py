def epoch(images, labels, batch_size, rng):
    order = rng.permutation(len(images))
    for start in range(0, len(images), batch_size):
        part = order[start:start + batch_size]
        yield images[part], labels[part]
