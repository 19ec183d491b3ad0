"""The embedded data is the original, bit for bit; batches are all of it."""
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from minivae.data import (batches, binarize, load_fashion_mnist, load_mnist,
                          to_float)
from minivae.datasets import embedded
from minivae.datasets.pack import pack

LOAD = {"fashion_mnist": load_fashion_mnist, "mnist": load_mnist}
# SHA-256 of the four arrays: a change of one pixel or label anywhere shows
BITS = {"fashion_mnist": "513528fcf0c65e904a71974d28ba4784"
                         "97a9f0912d168ec494c0ea8975b61524",
        "mnist": "ff7b246f255904f96783ad3c6a5717c4"
                 "c2524c33f557bd02282bca10451cf703"}
# where the original files may be: Debian's package, or a folder of yours
IDX = {"fashion_mnist": Path("/usr/share/datasets/fashion-mnist"),
       "mnist": Path(os.environ.get("MNIST_FOLDER", "mnist-data"))}


@pytest.fixture(scope="module", params=LOAD)
def named(request):
    return request.param, LOAD[request.param]()


def test_shapes_and_values(named):
    _, data = named
    assert data.train_images.shape == (60000, 28, 28, 1)
    assert data.test_images.shape == (10000, 28, 28, 1)
    assert data.train_images.dtype == data.test_images.dtype == bool
    assert data.train_labels.dtype == np.uint8
    assert 0.1 < data.train_images.mean() < 0.4                 # ink is rare
    for labels in data.train_labels, data.test_labels:
        counts = np.bincount(labels)
        assert len(counts) == len(data.class_names) == 10
        assert min(counts) > 0.08 * len(labels)


def test_the_names_are_those_of_the_labels(named):
    name, data = named
    # the table in Fashion-MNIST's own README, label by label
    table = {"fashion_mnist": "T-shirt, Trouser, Pullover, Dress, Coat, "
             "Sandal, Shirt, Sneaker, Bag, Ankle boot",
             "mnist": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"}
    assert ", ".join(data.class_names) == table[name]
    np.testing.assert_array_equal(
        data.names(np.array([3, 9999])),
        [data.class_names[data.test_labels[i]] for i in (3, 9999)])


def test_the_bits_are_these(named):
    name, data = named
    digest = hashlib.sha256()
    for a in data[:4]:
        digest.update(a.tobytes())
    assert digest.hexdigest() == BITS[name]


def test_the_grey_originals(named):
    _, data = named
    assert data.grey.shape == (100, 28, 28, 1) and data.grey.max() == 255
    labels = data.test_labels[data.grey_index]
    assert labels.tolist() == sorted(10 * list(range(10)))
    np.testing.assert_array_equal(binarize(data.grey),
                                  data.test_images[data.grey_index])


@pytest.mark.parametrize("name", LOAD)
def test_the_embedded_data_is_the_original(name):
    if not IDX[name].exists():
        pytest.skip("the IDX files are not here: minivae/datasets/pack.py "
                    "says who has them")
    with np.load(embedded.DATASETS / f"{name}.npz") as file:
        stored = dict(file)
    packed = pack(name, IDX[name])
    assert stored.keys() == packed.keys()
    for key, a in packed.items():
        np.testing.assert_array_equal(stored[key], a)


@pytest.mark.parametrize("name", LOAD)
def test_each_set_has_its_licence(name):
    file = f"LICENSE.{name.replace('_', '-')}.txt"
    text = (embedded.DATASETS / file).read_text(encoding="utf-8")
    assert text.startswith(f"{name}.npz holds ")
    assert {"fashion_mnist": "MIT License", "mnist": "CC BY-SA 3.0"}[
        name] in text


def test_binarize_is_above_one_half():
    grey = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(binarize(grey), grey / 255 > 0.5)
    assert binarize(grey).dtype == bool


@pytest.mark.parametrize("name", LOAD)
@pytest.mark.parametrize("damage", ["missing", "a folder", "cut", "changed",
                                    "moved", "zero", "longer", "other",
                                    "the other"])
def test_damaged_data_gets_a_sentence(tmp_path, monkeypatch, damage, name):
    content = (embedded.DATASETS / f"{name}.npz").read_bytes()
    path = tmp_path / f"{name}.npz"
    middle = len(content) // 2
    if damage == "a folder":
        path.mkdir()
    elif damage == "cut":
        path.write_bytes(content[:10_000])
    elif damage == "changed":
        changed = bytes([content[middle] ^ 1])
        path.write_bytes(content[:middle] + changed + content[middle + 1:])
    elif damage == "moved":
        path.write_bytes(content[middle:] + content[:middle])
    elif damage == "zero":
        path.write_bytes(content[:middle] + bytes(9) + content[middle + 9:])
    elif damage == "longer":
        path.write_bytes(content + b"?")
    elif damage == "the other":
        other, = LOAD.keys() - {name}
        path.write_bytes((embedded.DATASETS / f"{other}.npz").read_bytes())
    elif damage == "other":
        np.savez(path, something=np.zeros(3))
    monkeypatch.setattr(embedded, "DATASETS", tmp_path)
    with pytest.raises(ValueError, match=f"{name}.npz is missing or "
                       "damaged .*; restore it with pip install --force-"
                       "reinstall minivae, or in a clone with git checkout$"):
        LOAD[name]()


def test_batches_are_every_image_once():
    images = np.linspace(0, 1, 10, dtype="float32").reshape(10, 1, 1, 1)
    parts = list(batches(images, 4))
    assert [len(x) for x in parts] == [4, 4, 2]
    assert {x.dtype for x in parts} == {np.dtype("float32")}
    np.testing.assert_array_equal(np.concatenate(parts), images)


def test_pixels_lie_between_0_and_1():
    ink = np.array([[False], [True]])
    grey = np.array([[0], [51], [255]], "uint8")
    for dtype in "float32", "float64":
        bits, = batches(ink, 2, dtype=dtype)
        levels, = batches(grey, 3, dtype=dtype)
        assert bits.dtype == levels.dtype == dtype
        assert bits.tolist() == [[0], [1]]
        np.testing.assert_array_equal(levels, np.array([[0], [0.2], [1]],
                                                       dtype))
    assert grey.max() == 255                                  # as they were


def test_floating_point_in_0_to_1_stays_as_it_is():
    x = np.linspace(0, 1, 12).reshape(3, 2, 2, 1)
    for dtype in "float16", "float32", "float64":
        np.testing.assert_array_equal(to_float(x.astype(dtype), "float64"),
                                      x.astype(dtype))


@pytest.mark.parametrize("images, error, sentence", [
    (np.zeros((2, 2, 2, 1), int), TypeError, "images are int64, but bool, "
     r"uint8 .* was expected; convert them, as in images.astype"),
    (np.zeros((2, 2, 2, 1), "int8"), TypeError, "images are int8"),
    (np.zeros((2, 2, 2, 1), "uint16"), TypeError, "images are uint16"),
    (np.zeros((2, 2, 2, 1), complex), TypeError, "images are complex128"),
    (np.zeros((2, 2, 2, 1), "U1"), TypeError, "images are <U1"),
    (np.zeros((2, 2, 2, 1), object), TypeError, "images are object"),
    (np.full((2, 2, 2, 1), -1.0), ValueError, "has -1.0 at pixel"),
    (np.full((2, 2, 2, 1), 255.0), ValueError, "has 255.0 at pixel"),
    (np.array([0, 1, 1, np.nan]).reshape(2, 2, 1, 1), ValueError,
     r"image 1 has nan at pixel \[1, 0, 0\]"),
    (np.array([0, 1, np.inf, 1]).reshape(2, 2, 1, 1), ValueError,
     r"image 1 has inf at pixel \[0, 0, 0\]"),
])
def test_what_is_no_pixel_gets_a_sentence(images, error, sentence):
    before = images.copy()
    for take in to_float, lambda images: list(batches(images, 2)):
        with pytest.raises(error, match=sentence):
            take(images)
    assert (images == before).sum() == (before == before).sum()


def test_bits_in_bytes_get_a_sentence():
    bits = np.array([[0], [1], [1]], "uint8")
    with pytest.raises(ValueError, match="bytes of 0 and 1, but a byte is a "
                       "grey value, 0..255; make bits of them with "):
        next(batches(bits, 2))
    # so dark a batch is taken, where others are not
    grey = np.append(bits, np.uint8([[7]]), axis=0)
    assert len(list(batches(grey, 2))) == 2
    assert next(batches(np.zeros((2, 1), "uint8"), 2)).tolist() == [[0], [0]]


@pytest.mark.parametrize("size", [0, -1, 11])
def test_batch_sizes_that_cannot_be(size):
    with pytest.raises(ValueError, match=f"batch size is {size}, but .* 10"):
        next(batches(np.zeros((10, 1)), size))
