"""The embedded data is Fashion-MNIST, bit for bit; batches are all of it."""
import hashlib
from pathlib import Path

import numpy as np
import pytest

from minivae import data as data_module
from minivae.data import batches, binarize, load_fashion_mnist
from minivae.datasets.pack import SHA256, pack, read_idx

IDX = Path("/usr/share/datasets/fashion-mnist")     # Debian's package


@pytest.fixture(scope="module")
def data():
    return load_fashion_mnist()


def test_shapes_and_values(data):
    assert data.train_images.shape == (60000, 28, 28, 1)
    assert data.test_images.shape == (10000, 28, 28, 1)
    assert data.train_images.dtype == data.train_labels.dtype == np.uint8
    assert set(np.unique(data.train_images)) == {0, 1}
    assert np.bincount(data.train_labels).tolist() == [6000] * 10
    assert np.bincount(data.test_labels).tolist() == [1000] * 10
    assert len(data.class_names) == 10


def test_the_bits_are_these(data):
    # a change of a single pixel or label anywhere shows
    digest = hashlib.sha256()
    for a in data[:4]:
        digest.update(a.tobytes())
    assert digest.hexdigest() == (
        "513528fcf0c65e904a71974d28ba4784"
        "97a9f0912d168ec494c0ea8975b61524")


def test_the_grey_originals(data):
    assert data.grey.shape == (100, 28, 28, 1) and data.grey.max() == 255
    labels = data.test_labels[data.grey_index]
    assert labels.tolist() == sorted(10 * list(range(10)))
    np.testing.assert_array_equal(binarize(data.grey),
                                  data.test_images[data.grey_index])


@pytest.mark.skipif(not IDX.exists(), reason="the IDX files are not here: "
                    "Debian's package dataset-fashion-mnist has them")
def test_the_embedded_data_is_the_original():
    with np.load(data_module.DATASETS / "fashion_mnist.npz") as file:
        embedded = dict(file)
    packed = pack(IDX)
    assert embedded.keys() == packed.keys()
    for name, a in packed.items():
        np.testing.assert_array_equal(embedded[name], a)


def test_pack_refuses_other_files(tmp_path):
    name = "t10k-labels-idx1-ubyte"
    with pytest.raises(FileNotFoundError, match=f"neither {name} nor"):
        read_idx(tmp_path, name)
    (tmp_path / name).write_bytes(b"\0\0\10\1\0\0\0\1\7")
    with pytest.raises(ValueError, match="is not the original"):
        read_idx(tmp_path, name)
    assert len(SHA256) == 4


def test_binarize_is_above_one_half():
    grey = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(binarize(grey), grey / 255 > 0.5)
    assert binarize(grey).dtype == np.uint8


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "other"])
def test_damaged_data_gets_a_sentence(tmp_path, monkeypatch, damage):
    content = (data_module.DATASETS / "fashion_mnist.npz").read_bytes()
    path = tmp_path / "fashion_mnist.npz"
    if damage == "cut":
        path.write_bytes(content[:10_000])
    elif damage == "changed":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + b"?" + content[middle + 1:])
    elif damage == "other":
        np.savez(path, something=np.zeros(3))
    monkeypatch.setattr(data_module, "DATASETS", tmp_path)
    with pytest.raises(ValueError, match="fashion_mnist.npz is missing or "
                       "damaged .*install minivae again"):
        load_fashion_mnist()


def test_batches_are_every_image_once():
    images = np.arange(10, dtype="uint8").reshape(10, 1, 1, 1)
    for rng in None, np.random.default_rng(0):
        parts = list(batches(images, 4, rng))
        assert [len(x) for x in parts] == [4, 4, 2]
        assert {x.dtype for x in parts} == {np.dtype("float32")}
        order = np.concatenate(parts).ravel().tolist()
        assert sorted(order) == list(range(10))
        assert (order == sorted(order)) is (rng is None)


def test_batches_come_in_another_order_every_time():
    images, rng = np.arange(100)[:, None], np.random.default_rng(0)
    first, second = (np.concatenate(list(batches(images, 10, rng)))
                     for _ in range(2))
    assert not np.array_equal(first, second)
    again, = batches(images, 100, np.random.default_rng(0), dtype="float64")
    np.testing.assert_array_equal(again, first)
    assert again.dtype == np.float64


@pytest.mark.parametrize("size", [0, -1, 11])
def test_batch_sizes_that_cannot_be(size):
    with pytest.raises(ValueError, match=f"batch size is {size}, but .* 10"):
        next(batches(np.zeros((10, 1)), size))
