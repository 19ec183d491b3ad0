"""The yardstick's classifier: what it has learnt, and what it ships with."""
import numpy as np
import pytest

from minivae.beyond import weights
from minivae.beyond.classifier import (Classifier, load_classifier,
                                       shifted, train)
from minivae.data import load_fashion_mnist, load_mnist
from minivae.datasets.embedded import DATASETS


@pytest.mark.parametrize("name, load, least", [
    ("mnist", load_mnist, 0.985), ("fashion", load_fashion_mnist, 0.85)])
def test_those_that_ship_know_the_test_images(name, load, least):
    model, data = load_classifier(name), load()
    found = model.classify(data.test_images)
    assert found.shape == (10000,)
    assert (found == data.test_labels).mean() > least
    assert (DATASETS / f"{name}_features.npz").stat().st_size < 150e3


def test_features_are_what_the_last_layer_sees():
    model, data = load_classifier("mnist"), load_mnist()
    images = data.test_images[:600]                    # more than a batch
    features = model.features(images)
    assert features.shape == (600, 64) and features.dtype == np.float32
    assert (features >= 0).all() and features.std(axis=0).max() > 0.1
    logits = model.network.layers[-1].forward(features)
    np.testing.assert_array_equal(logits.argmax(axis=1),
                                  model.classify(images))
    # made black or white as floating point, they are the same images
    np.testing.assert_array_equal(model.features(images.astype("float32")),
                                  features)


def bars(n, rng):
    """Upright bars, class 0, and lying ones, class 1, anywhere."""
    images, labels = np.zeros((n, 14, 15, 1), bool), rng.integers(0, 2, n)
    for image, lying in zip(images, labels):
        place = rng.integers(2, 12)
        image[(place,) if lying else (slice(None), place)] = True
    return images, labels


def test_it_learns_and_the_same_seed_learns_the_same():
    rng = np.random.default_rng(0)
    images, labels = bars(640, rng)
    new, their = bars(200, rng)
    one, again, other = (train(images, labels, 3, rng=seed)
                         for seed in (1, 1, 2))
    assert (one.classify(new) == their).mean() > 0.98
    assert one.network.params["0.0.w"].shape[2] == 1
    np.testing.assert_array_equal(one.features(new), again.features(new))
    assert (one.features(new) != other.features(new)).any()
    assert one.network.params["1.b"].shape == (2,)


def test_images_without_labels_are_refused():
    images = np.zeros((100, 14, 14, 1), bool)
    for labels in np.zeros(0, int), np.zeros(100, int), np.arange(99) % 2:
        with pytest.raises(ValueError, match="put the images into a folder "
                                             "for each class$"):
            train(images, labels)
    with pytest.raises(ValueError, match="the batch size is 101"):
        train(images, np.arange(100) % 2, batch_size=101)
    with pytest.raises(ValueError, match="a kernel of .* does not fit"):
        Classifier((4, 4, 1))


def test_images_are_shifted_by_at_most_a_pixel_each_way():
    rng, x = np.random.default_rng(0), np.zeros((1, 5, 6, 1))
    x[0, 2, 3] = 1
    found = {tuple(map(int, np.argwhere(shifted(x, rng))[0][1:3]))
             for _ in range(200)}
    assert found == {(row, column) for row in (1, 2, 3)
                     for column in (2, 3, 4)}


def test_there_is_no_classifier_of_another_name():
    with pytest.raises(ValueError, match="no features 'cifar' that ships; "
                                         "there are 'fashion' and 'mnist'"):
        load_classifier("cifar")


# ---- weights in a file -----------------------------------------------------

def test_rounded_weights_are_those_that_come_back(tmp_path):
    network = Classifier(rng=0).network
    before = {name: p.copy() for name, p in network.params.items()}
    weights.round_weights(network)
    weights.write_weights(tmp_path / "a.npz", network)
    with np.load(tmp_path / "a.npz") as file:
        for name, p in network.params.items():
            assert p.dtype == np.float32 and file[name].dtype == np.float16
            np.testing.assert_array_equal(file[name], p)
            np.testing.assert_allclose(p, before[name], 2**-10, 1e-7)
            # the last of float16's bits is 0, so that the file compresses
            normal = file[name][abs(file[name]) > 1e-3]
            assert not (normal.view(np.uint16) & 1).any()


def test_weights_come_back_from_their_file(tmp_path, monkeypatch):
    monkeypatch.setattr("minivae.datasets.embedded.DATASETS", tmp_path)
    hashes = {}
    monkeypatch.setattr("minivae.datasets.embedded.SHA256", hashes)
    one, other = (Classifier(rng=seed).network for seed in (0, 1))
    path, third = tmp_path / "mnist_mine.npz", Classifier(rng=2).network
    weights.round_weights(one)
    hashes["mnist_mine"] = weights.write_weights(path, one)
    weights.read_weights("mnist", "mine", other)
    for name, p in one.params.items():
        assert other.params[name].dtype == np.float32
        np.testing.assert_array_equal(other.params[name], p)
    weights.write_weights(path, third)
    with pytest.raises(ValueError, match="its SHA-256 is wrong"):
        weights.read_weights("mnist", "mine", other)
    hashes["mnist_mine"] = weights.write_weights(path, one)
    with pytest.raises(ValueError, match="mine.npz holds the weights of "
                                         "another network"):
        weights.read_weights("mnist", "mine", Classifier(K=3).network)
