"""Pictures, arrays and IDX files of one's own become a Dataset, or a
sentence."""
import argparse
import io
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_idx import a_set, idx_bytes, originals, write  # noqa: F401

from minivae.data import FASHION_CLASSES
from minivae.extras.images import own_pictures
from minivae.extras.images.arrays import as_bytes
from minivae.extras.images.idx import FILES
from minivae.extras.images.labels import examples, hold_out, natural
from minivae.extras.images.own_data import load_own

from common.training_options import images_of, load_images

rng = np.random.default_rng(0)
OUT = hold_out(np.zeros(30, int))           # which of thirty are for testing


def pictures(folder, count=30, size=(13, 9), mode="RGB", ending="png"):
    """Write pictures of count different colours; return these."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = rng.integers(0, 256, (count, 3))
    if mode == "L":
        colours = colours[:, :1].repeat(3, axis=1)
    for i, colour in enumerate(colours):
        Image.new("RGB", size, tuple(map(int, colour))).convert(mode).save(
            folder / f"{i:03}.{ending}")
    return colours


# ---- pictures --------------------------------------------------------------

def test_a_folder_of_pictures(tmp_path):
    colours = pictures(tmp_path)
    data, title, notes = load_own(tmp_path, binary=False)
    assert title == tmp_path.name and data.class_names == (tmp_path.name,)
    assert data.train_images.shape == (27, 8, 12, 3)
    assert data.test_images.dtype == np.uint8
    # 13 x 9 pixels, cut to multiples of 4; a tenth is for testing
    np.testing.assert_array_equal(data.test_images[:, 0, 0], colours[OUT])
    np.testing.assert_array_equal(data.train_images[:, 7, 11], colours[~OUT])
    assert notes == ["images of 9 x 13 were cut to 8 x 12: the network needs "
                     "multiples of 4"]
    np.testing.assert_array_equal(data.grey, data.test_images[
        data.grey_index])
    binary, _, _ = load_own(tmp_path)
    np.testing.assert_array_equal(binary.train_images,
                                  data.train_images > 127)
    np.testing.assert_array_equal(binary.grey, data.grey)


@pytest.mark.parametrize("ending", ["JPG", "jpeg", "webp", "BMP", "gif", "TIF",
                                    "tiff", "ppm", "jfif"])
def test_names_end_in_many_ways(tmp_path, ending):
    pictures(tmp_path, size=(8, 8), ending=ending)
    assert len(load_own(tmp_path).data.train_images) == 27


def test_grey_pictures_have_one_channel_and_ink_is_dark(tmp_path):
    colours = pictures(tmp_path, mode="L", ending="jpg", size=(8, 8))
    data, _, notes = load_own(tmp_path, binary=False)
    assert data.train_images.shape == (27, 8, 8, 1) and not notes
    np.testing.assert_allclose(data.test_images[:, 4, 4, 0],
                               255 - colours[OUT, 0], atol=2)       # JPEG


def test_one_picture_with_colour_gives_all_of_them_three_channels(tmp_path):
    grey = pictures(tmp_path, mode="L", size=(8, 8))
    for place in 0, 17, 29:
        Image.new("RGB", (8, 8), (9, 8, 7)).save(tmp_path / f"{place:03}.png")
        data = load_own(tmp_path, binary=False).data
        grey[place] = 9, 8, 7
        np.testing.assert_array_equal(data.train_images[:, 0, 0], grey[~OUT])


def test_folders_are_classes(tmp_path):
    for name in "dog", "cat":
        pictures(tmp_path / name, size=(8, 8))
    pictures(tmp_path / "dog" / "small", 20, size=(8, 8))
    data = load_own(tmp_path).data
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.test_labels).tolist() == [3, 5]
    few = data.grey_index[::10]
    assert len(set(few)) == 8 and data.names(few) == sorted(data.names(few))
    assert set(data.names(few)) == {"cat", "dog"}


def test_too_many_classes_count_as_one(tmp_path):
    for i in range(27):
        pictures(tmp_path / f"{i:02}", 2, size=(8, 8))
    data, _, notes = load_own(tmp_path)
    assert data.class_names == ("image",) and not data.train_labels.any()
    assert len(data.test_images) == 5
    assert notes[0] == ("there are 27 classes, but at most 26 can be drawn: "
                        "all are treated as one")


def test_image_size_makes_all_sizes_one(tmp_path):
    pictures(tmp_path / "a", 20, (40, 20))
    pictures(tmp_path / "b", 20, (15, 31))
    data, _, notes = load_own(tmp_path, size=16, binary=False)
    assert data.train_images.shape == (36, 16, 16, 3)
    assert notes == ["pictures were cut to squares and scaled to 16 x 16"]


def test_scaling_keeps_the_middle(tmp_path):
    wide = np.zeros((40, 16, 32, 1), np.uint8)
    wide[:, :, 8:24] = 255                           # white in the middle
    wide[7] = 0
    np.save(tmp_path / "a.npy", wide)
    data, _, notes = load_own(tmp_path / "a.npy", size=8, binary=False)
    assert data.train_images.shape == (36, 8, 8, 1)
    white = (data.train_images > 127).all(axis=(1, 2, 3))
    assert white.sum() >= 35
    assert notes == ["images of 16 x 32 were scaled to 8 x 8"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("top, said", [(1, []), (255, []), (4095, []),
                                       (65535, [])])
def test_sixteen_bits_are_as_many_as_are_used(tmp_path, top, said, binary):
    """A camera's 12 bits come in PNG files of 16."""
    grey = rng.integers(0, 2, (30, 8, 8)) * top
    for i, image in enumerate(grey):
        Image.fromarray(image.astype("u2")).save(tmp_path / f"{i}.png")
    data, _, notes = load_own(tmp_path, binary=binary)
    assert notes == said
    np.testing.assert_array_equal(
        data.train_images[..., 0],
        (grey[~OUT] == 0) * (1 if binary else 255))      # ink is dark


def test_bits_in_bytes_are_black_and_white(tmp_path):
    bits = rng.integers(0, 2, (30, 8, 8)).astype("u1")
    for i, image in enumerate(bits):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    data, _, notes = load_own(tmp_path)
    np.testing.assert_array_equal(data.test_images[..., 0], bits[OUT] == 0)
    assert notes == ["all pixels are 0 or 1: these are taken as black and "
                     "white"]


def damage(folder, count):
    """Spoil the first pictures, each in another way."""
    for i, path in enumerate(sorted(folder.iterdir())[:count]):
        content = path.read_bytes()
        path.write_bytes([b"", b"?", content[:-30], content[:40]][i % 4])


def test_damaged_pictures_are_left_out(tmp_path):
    colours = pictures(tmp_path, 34, mode="L", size=(8, 8), ending="jpg")
    damage(tmp_path, 4)
    data, _, notes = load_own(tmp_path, binary=False)
    np.testing.assert_allclose(data.train_images[:, 3, 3, 0],
                               255 - colours[4:][~OUT, 0], atol=2)
    assert len(notes) == 1 and notes[0].startswith(
        "4 left out (damaged): 000.jpg, 001.jpg, 002.jpg, 1 more; "
        f"{tmp_path / '000.jpg'} cannot be read as a picture (")


def test_what_a_picture_holds_is_said(tmp_path):
    pictures(tmp_path, size=(8, 8), ending="gif")
    frames = [Image.new("L", (8, 8), grey) for grey in (1, 250)]
    frames[0].save(tmp_path / "007.gif", save_all=True,
                   append_images=frames[1:])
    exif = Image.Exif()
    exif[0x010f] = "a camera"
    frames[0].save(tmp_path / "008.gif", "JPEG", exif=exif.tobytes()[:-9])
    _, _, notes = load_own(tmp_path)
    assert notes[0] == ("only the first frame was taken of animated pictures "
                        "(1), such as 007.gif")
    assert notes[1].startswith("pictures were read in spite of warnings (1), "
                               "such as 008.gif: ")


def test_a_class_that_is_lost_is_named(tmp_path):
    for name, count in ("cat", 30), ("dog", 4):
        pictures(tmp_path / name, count, size=(8, 8))
    damage(tmp_path / "dog", 4)
    (tmp_path / "owl").mkdir()
    data, _, notes = load_own(tmp_path)
    assert data.class_names == ("cat",)
    assert notes[0] == "1 left out (empty folders): owl"
    assert notes[2] == "classes none of whose pictures can be read: dog"


def test_a_picture_that_may_not_be_opened_is_not_damaged(tmp_path,
                                                         monkeypatch):
    """For real only where the tests are not run by root, who may read all."""
    pictures(tmp_path, 32, size=(8, 8))
    damage(tmp_path, 1)
    real = Image.open

    def closed(path, **kwargs):
        if path.name == "001.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **kwargs)
    monkeypatch.setattr(Image, "open", closed)
    notes = load_own(tmp_path).notes
    assert notes[0].startswith("1 left out (damaged): 000.png; ")
    assert notes[1] == (
        f"1 left out (not readable): 001.png; {tmp_path / '001.png'} cannot "
        "be opened (Permission denied); make it readable, or remove it")


def test_without_standard_error_there_is_no_bar(tmp_path, monkeypatch):
    pictures(tmp_path, size=(8, 8), ending="tif")
    monkeypatch.setattr(sys, "stderr", None)
    load_own(tmp_path, size=8)
    np.save(tmp_path / "a.npy", ones)
    load_own(tmp_path / "a.npy", size=12)


# ---- to train and to test on -----------------------------------------------

@pytest.mark.parametrize("labels", [
    np.arange(100) % 10, np.arange(100) // 10, np.zeros(100, int),
    np.arange(100) > 95, np.arange(60) // 2, rng.integers(0, 5, 333)])
def test_a_tenth_of_each_class_is_for_testing(labels):
    """Today's tenth image of classes that come in turn is always a 9."""
    test = hold_out(labels)
    for count, own in zip(np.bincount(labels),
                          np.bincount(labels, weights=test)):
        assert 1 <= own < count and abs(own - count / 10) <= 0.9
    np.testing.assert_array_equal(test, hold_out(labels))        # no chance
    assert test.tolist() != (np.arange(len(labels)) % 10 == 9).tolist()


def test_a_class_of_one_is_trained_on():
    test = hold_out(np.repeat([0, 1, 2], [1, 20, 1]))
    assert not test[0] and not test[-1] and test.sum() == 2
    assert hold_out(np.arange(20)).sum() == 2      # all classes are of one


def test_the_split_is_the_same_everywhere():
    assert np.flatnonzero(OUT).tolist() == [2, 11, 26]


def test_classes_that_come_in_turn(tmp_path):
    for i in range(5):
        pictures(tmp_path / f"{i}", 10, (8, 8))
    (tmp_path / "5").mkdir()
    os.replace(tmp_path / "0" / "000.png", tmp_path / "5" / "000.png")
    data, _, notes = load_own(tmp_path, binary=False)
    assert np.bincount(data.test_labels).tolist() == [1, 1, 1, 1, 1]
    assert notes == ["classes without images to test on: 5"]


@pytest.mark.parametrize("counts, want", [
    ([50], [10]), ([50, 50], [5, 5]), ([3, 50], [3, 7]), ([1, 1, 1], None),
    ([2, 0, 9], [2, 0, 8]), (10 * [5], 10 * [1]), (7 * [4], [2, 2, 2] + 4 * [
        1]), ([1] * 9 + [4], 10 * [1]), ([12] * 12, None), ([1] * 26, None)])
def test_examples_show_as_many_classes_as_they_can(counts, want):
    labels = np.random.default_rng(1).permutation(
        np.repeat(np.arange(len(counts)), counts))
    chosen = examples(labels)
    assert chosen.shape == (100,)
    few = chosen[::10]
    assert labels[few].tolist() == sorted(labels[few])
    assert len(set(few)) == min(10, len(labels))
    assert len(set(labels[few])) == min(10, np.count_nonzero(counts))
    assert want is None or np.bincount(labels[few]).tolist() == want
    rows = chosen.reshape(10, 10)
    assert (labels[rows] == labels[rows[:, :1]]).all()       # class by class
    if counts == [50, 50]:
        assert len(set(chosen)) == 100
    if len(counts) > 10:                    # of many, the first and the last
        assert {0, len(counts) - 1} <= set(labels[few])


# ---- nothing to learn ------------------------------------------------------

@pytest.mark.parametrize("grey", [20, 100, 130, 255])
@pytest.mark.parametrize("normal", [0, 3])
def test_all_ink_or_all_blank_is_said_before_training(tmp_path, grey, normal):
    images = np.full((100, 8, 8), grey, "u1")
    images[0, 1, 1] = grey - 2 if grey > 127 else grey + 20
    images[100 - normal:] = rng.integers(0, 256, (normal, 8, 8))
    np.save(tmp_path / "a.npy", images)
    with pytest.raises(ValueError, match="of the pixels are "
                       f"{'ink' if grey > 127 else 'blank'} after "
                       "binarization, so there is nothing to learn; keep "
                       "their grey values with --likelihood continuous"):
        load_own(tmp_path / "a.npy")
    load_own(tmp_path / "a.npy", binary=False)


def test_each_number_in_a_name_counts_for_its_order():
    names = ["a 1 b 9", "a 1 b 10", "a 2 b 03", "a 2 b 3 c 7", "a 10 b 1"]
    assert sorted(names[::-1], key=natural) == names


def test_whole_numbers_that_are_nearly_black_are_no_greys():
    dark = np.full((2, 8, 8, 1), 31.0)
    with pytest.raises(ValueError, match="pixels from 31.0 to 31.0, but"):
        as_bytes("x", dark, [])
    np.testing.assert_array_equal(as_bytes("x", dark + 1, []), 32)


def test_dark_photos(tmp_path):
    for i, grey in enumerate(rng.integers(0, 120, 30)):
        Image.new("L", (8, 8), int(grey)).save(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="100.0 % of the pixels are ink aft"):
        load_own(tmp_path)


def test_some_blank_images_are_noted(tmp_path):
    images = rng.integers(0, 2, (100, 8, 8)).astype(bool)
    images[:4] = False
    images[4] = True
    np.save(tmp_path / "a.npy", images)
    note, = load_own(tmp_path / "a.npy").notes
    assert re.fullmatch(r"after binarization, 4.\.. % of the pixels are ink, "
                        "and 5 of 100 images are all ink or all blank; "
                        "--likelihood continuous keeps grey values", note)
    np.save(tmp_path / "a.npy", images[5:])
    assert not load_own(tmp_path / "a.npy").notes


def test_images_without_contrast(tmp_path):
    np.save(tmp_path / "a.npy", rng.integers(200, 231, (30, 8, 8)) / 255)
    note, = load_own(tmp_path / "a.npy", binary=False).notes
    assert note == ("all pixels lie between 200 and 230 of 255: the images "
                    "have hardly any contrast, or should be scaled")
    np.save(tmp_path / "a.npy", np.full((30, 8, 8), 77, "u1"))
    for binary in True, False:
        with pytest.raises(ValueError, match="every pixel is 77 of 255, so "
                           "there is nothing to learn"):
            load_own(tmp_path / "a.npy", binary=binary)


# ---- arrays ----------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32",
                                   "float64"])
@pytest.mark.parametrize("shape", [(30, 8, 8), (30, 8, 8, 1), (30, 8, 8, 3)])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_of_all_kinds(tmp_path, dtype, shape, ending):
    grey = rng.integers(0, 2, shape) * 255
    a = (grey / (1 if dtype in ("uint8", "int64") else 255)).astype(dtype)
    path = tmp_path / f"a.{ending}"
    np.save(path, a) if ending == "npy" else np.savez_compressed(path, a)
    data, title, _ = load_own(path, binary=False)
    assert title == path.name
    want = grey.reshape(30, 8, 8, -1)
    np.testing.assert_array_equal(data.test_images, want[OUT])
    np.testing.assert_array_equal(data.train_images, want[~OUT])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_images_lie_in_memory_image_by_image(tmp_path, binary, order):
    bits = rng.integers(0, 2, (40, 9, 10)).astype("u1", order=order)
    np.save(tmp_path / "a.npy", bits)
    data = load_own(tmp_path / "a.npy", binary=binary).data
    for images in data.train_images, data.test_images:
        assert images.flags.c_contiguous         # as their SHA-256 needs them


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_whole_numbers_0_and_1_are_white_and_black(tmp_path, dtype):
    bits = rng.integers(0, 2, (30, 8, 8)).astype(dtype)
    np.save(tmp_path / "a.npy", bits)
    data = load_own(tmp_path / "a.npy").data
    np.testing.assert_array_equal(data.test_images[..., 0], bits[OUT])


def test_columns_first_and_version_2_are_read(tmp_path):
    a = np.asfortranarray(rng.integers(0, 256, (30, 8, 12)).astype("uint8"))
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, a, version=(2, 0))
    data, _, _ = load_own(tmp_path / "a.npy", binary=False)
    np.testing.assert_array_equal(data.test_images[..., 0], a[OUT])


def test_kerass_four_arrays(tmp_path):
    x, y, test_x, test_y = a_set(shape=(8, 8))
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=x.astype("u1"), y_train=y, x_test=test_x.astype(
        "u1"), y_test=test_y[:, None])              # Keras' CIFAR has (N, 1)
    data, _, _ = load_own(path, binary=False)
    np.testing.assert_array_equal(data.train_images[..., 0], x)
    np.testing.assert_array_equal(data.test_labels, test_y)
    assert data.class_names == tuple("0123456789")
    shown = data.test_labels[data.grey_index].tolist()
    assert shown == sorted(shown) and set(shown) == set(test_y)
    np.savez(path, x_train=x.astype("u1"), x_test=test_x.astype("u1"))
    assert load_own(path).data.class_names == ("image",)


def test_medmnists_six_arrays(tmp_path):
    x, y, test_x, test_y = a_set(shape=(8, 8))
    np.savez(tmp_path / "a.npz", train_images=x.astype("u1"), val_images=x[
        :9].astype("u1"), test_images=test_x.astype("u1"), train_labels=y[
        :, None], val_labels=y[:9, None], test_labels=test_y[:, None])
    data, _, notes = load_own(tmp_path / "a.npz", binary=False)
    np.testing.assert_array_equal(data.train_images[..., 0], x)
    np.testing.assert_array_equal(data.test_images[..., 0], test_x)
    assert notes[0] == "9 left out (for validation): val_images"


@pytest.mark.parametrize("names", [
    ("x_train", "y_train"), ("images", "labels"), ("y", "x")])
def test_one_array_of_images_and_one_of_labels(tmp_path, names):
    labels = np.arange(30) % 3
    np.savez(tmp_path / "a.npz", **dict(zip(names, (
        rng.integers(0, 256, (30, 8, 8)), labels))))
    data = load_own(tmp_path / "a.npz").data
    assert data.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(data.test_labels,
                                  labels[hold_out(labels)])


def test_labels_of_one_part_only_are_left_out(tmp_path):
    x = rng.integers(0, 256, (30, 8, 8))
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x, y_train=np.arange(30))
    data, _, notes = load_own(tmp_path / "a.npz")
    assert data.class_names == ("image",)
    assert notes == ["y_train is left out, since there is no y_test"]


TWO = np.arange(30) % 2


@pytest.mark.parametrize("labels, names", [
    (TWO, ("0", "1")), (TWO * 1.0, ("0", "1")), (TWO > 0, ("False", "True")),
    (TWO * 7 - 3, ("4", "-3")), (TWO * 2 ** 40, ("0", str(2 ** 40))),
    (np.array(["cat", "dog"])[TWO], ("cat", "dog")),
    (np.array([b"a", "\u732b".encode()])[TWO], ("a", "\u732b")),
    (np.eye(2)[TWO], ("0", "1")), (np.eye(2, dtype=bool)[TWO], ("0", "1")),
    (np.eye(2, dtype="u1")[TWO][:, [1, 0]], ("0", "1")),
    (TWO[:, None], ("0", "1")), (np.arange(30) % 11 * 10, tuple(
        map(str, range(0, 110, 10)))), (np.arange(30), ("image",))])
def test_labels_of_all_kinds(tmp_path, labels, names):
    np.savez(tmp_path / "a.npz", x=rng.integers(0, 256, (30, 8, 8)), y=labels)
    assert load_own(tmp_path / "a.npz").data.class_names == names


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "longdouble",
                                   "uint64", ">i4"])
def test_numbers_of_all_kinds(tmp_path, dtype):
    grey = rng.integers(0, 100, (30, 8, 8))
    np.save(tmp_path / "a.npy", grey.astype(dtype))
    data = load_own(tmp_path / "a.npy", binary=False).data
    np.testing.assert_array_equal(data.test_images[..., 0], grey[OUT])


def test_channels_first_are_moved(tmp_path):
    images = rng.integers(0, 256, (30, 3, 8, 12))
    np.save(tmp_path / "a.npy", images)
    data, _, notes = load_own(tmp_path / "a.npy", binary=False)
    np.testing.assert_array_equal(data.test_images,
                                  images[OUT].transpose(0, 2, 3, 1))
    assert notes == ["images have shape (3, 8, 12), channels first: these "
                     "were moved last"]


def test_a_test_set_may_be_darker(tmp_path):
    x = rng.integers(0, 256, (30, 8, 8))
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x % 9)
    data = load_own(tmp_path / "a.npz", binary=False).data
    assert data.train_images.max() == 255 and data.test_images.max() == 8


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
@pytest.mark.parametrize("order", [1, -1])
def test_parts_have_one_range(tmp_path, dtype, order):
    """Put together, black and white of 0 and 1 would be 255 times darker."""
    bits = rng.integers(0, 2, (30, 8, 8))
    a, b = [(255 * bits).astype("u1"), bits.astype(dtype)][::order]
    np.savez(tmp_path / "a.npz", x_train=a, x_test=b)
    with pytest.raises(ValueError, match=rf"x_train has pixels up to "
                       rf"{a.max()}, but x_test up to {b.max()}; give both"):
        load_own(tmp_path / "a.npz")


def test_labels_may_have_thousands_of_digits(tmp_path):
    words = ["9" * 5000, "10", "9", "010"]
    np.savez(tmp_path / "a.npz", x=rng.integers(0, 256, (32, 8, 8)),
             y=np.array(words)[np.arange(32) % 4])
    assert load_own(tmp_path / "a.npz").data.class_names == (
        "9", "010", "10", "9" * 5000)


# ---- IDX files -------------------------------------------------------------

def test_idx_files(tmp_path):
    arrays = a_set(shape=(9, 14))
    data, title, notes = load_own(write(tmp_path / "set", arrays), "MNIST",
                                  binary=False)
    assert title == "set" and data.class_names == tuple("0123456789")
    np.testing.assert_array_equal(data.test_images[..., 0],
                                  arrays[2][:, :8, 1:13])
    assert "cut to 8 x 12" in notes[0]
    assert load_own(tmp_path / "set" / FILES[2]).title == FILES[2]


def test_fashion_mnists_classes_are_in_its_order(tmp_path,
                                                 originals):  # noqa: F811
    data, title, _ = load_own(write(tmp_path, originals["Fashion-MNIST"]))
    assert title == "Fashion-MNIST"
    there = np.unique(np.concatenate(originals["Fashion-MNIST"][1::2]))
    assert data.class_names == tuple(FASHION_CLASSES[c] for c in there)


@pytest.mark.parametrize("kind, first, classes, names", [
    ("letters", 1, 26, tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
    ("digits", 0, 10, tuple("0123456789")), ("balanced", 0, 47, ("image",))])
def test_emnist_is_turned_upright(tmp_path, kind, first, classes, names):
    shape, file = (60, 12, 12), "emnist-{}-{}-{}-ubyte"
    grey = rng.integers(0, 256, shape)
    labels = np.arange(60) % classes + first
    for part in "train", "test":
        for what, a in ("images-idx3", grey), ("labels-idx1", labels):
            (tmp_path / file.format(kind, part, what)).write_bytes(
                idx_bytes(a))
    data, _, notes = load_own(tmp_path, binary=False)
    np.testing.assert_array_equal(data.train_images[..., 0],
                                  grey.transpose(0, 2, 1))
    assert data.class_names == names
    assert notes[-1] == ("EMNIST stores its images transposed: they were "
                         "transposed back")
    assert (classes > 26) == ("there are 47 classes, but at most 26 can be "
                              "drawn: all are treated as one" in notes)


# ---- other ways to say where -----------------------------------------------

def test_paths_may_be_words(tmp_path, monkeypatch):
    pictures(tmp_path / "photos", size=(8, 8))
    np.save(tmp_path / "a.npy", rng.random((30, 8, 8)))
    os.rename(tmp_path / "a.npy", tmp_path / "A.NPY")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "photos")
    for where in ("../photos", "~/photos", Path("~/photos"), ".", "./",
                  str(tmp_path / "photos")):
        assert load_own(where).title == "photos"
    assert load_own("../A.NPY").title == "A.NPY"
    for where in "", Path("~/none"), "nobody\0":
        with pytest.raises(ValueError, match="--data-dir (is empty|names)"):
            load_own(where)


def options(**given):
    return argparse.Namespace(**{
        "data_dir": None, "download": False, "title": "MNIST", "resume": False,
        "likelihood": "continuous", "image_size": None, "limit": None,
        "batch_size": 8, "load": None} | given)


def test_options_name_images(tmp_path, monkeypatch):
    pictures(tmp_path / "photos", size=(8, 8))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for where in "~/photos", Path("~/photos"), str(tmp_path / "photos"):
        args = options(data_dir=where)
        assert len(load_images(args).data.train_images) == args.limit == 27
        assert args.data_dir == tmp_path / "photos"     # found by --resume
    for given, sentence in (
            ({"batch_size": 30}, "only 27 images .* --batch-size 8, for ex"),
            ({"limit": 5}, "only 5 images to .*; give it as --batch-size 5,"),
            ({"limit": 28}, "--limit is 28, but there are only 27 training")):
        with pytest.raises(ValueError, match=sentence):
            load_images(options(data_dir=tmp_path / "photos", **given))
    # of a run that is resumed, differences() says better what is wrong
    load_images(options(data_dir=tmp_path / "photos", limit=28, resume=True))


def test_a_runs_images_are_found_again(tmp_path):
    pictures(tmp_path, size=(8, 8))
    settings = vars(options(data_dir=str(tmp_path)))
    del settings["load"], settings["resume"]
    assert len(images_of(settings).data.train_images) == 27


# ---- what is wrong ---------------------------------------------------------

def save(make):
    """A damage that writes bad.npy from an array."""
    return "bad.npy", lambda path: np.save(path, make())


def save_z(**arrays):
    return "bad.npz", lambda path: np.savez(path, **arrays)


def a_bomb(path):
    """A header that claims 64 GiB, in 200 bytes."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {
        "descr": "|u1", "fortran_order": False, "shape": (2 ** 36, 1, 1)})
    if path.suffix == ".npy":
        path.write_bytes(content.getvalue())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content.getvalue())


def a_packed_bomb(path):
    """A part that unpacks to more than it may."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED,
                         compresslevel=1) as archive, (
            archive.open("a.npy", "w", force_zip64=True)) as part:
        for _ in range(1025):
            part.write(bytes(2 ** 20))


good = np.zeros((30, 8, 8), "uint8")
ones = 255 * rng.integers(0, 2, (30, 8, 8))


def ruin(folder, **options):
    pictures(folder, **options)
    damage(folder, 18)


@pytest.mark.parametrize("name, make, sentence", [
    ("none", lambda path: None, "does not exist; --data-dir names a folder"),
    ("a.txt", lambda path: path.write_text("hello"), "is neither a folder "),
    ("a.zip", lambda path: path.write_text("PK"), "is an archive; unpack it"),
    ("a.TAR.GZ", lambda path: path.write_text("?"), "is an archive; unpack "),
    ("a.PNG", lambda path: path.write_text("?"), "is a single picture; name "),
    ("empty", lambda path: path.mkdir(), "has 0 pictures .PNG, JPEG, .* files"
     "., but at least 20 were expected; put more there"),
    ("few", lambda path: pictures(path, 19), "has 19 pictures"),
    ("zip", lambda path: (path.mkdir(), (path / "a.zip").write_text("")),
     r"at least 20 were expected \(1 left out \(not pictures\): a.zip\); put"),
    ("small", lambda path: pictures(path, size=(7, 9)),
     "has images of 9 x 7 pixels, but at least 8 x 8"),
    ("mixed", lambda path: (pictures(path), pictures(path / "z", 1, (9, 9))),
     r"000.png has 9 x 9 pixels, but 000.png has 9 x 13; give all one size "
     "with --image-size"),
    ("ruined", ruin, r"18 of 30 pictures cannot be read; the first of them: "
     ".*000.png cannot be read as a picture"),
    ("rest", lambda path: ruin(path, count=37), "has 19 pictures .*18 left o"
     "ut .damaged.: 000.png, 001.png, 002.png, 15 more"),
    (*save(lambda: good[:10]), "has 10 images, but at least 20"),
    (*save(lambda: good[0]), r"images has shape \(8, 8\), but \(N, H, W\)"),
    (*save(lambda: good[:0]), r"images has shape \(0, 8, 8\), which holds no"),
    (*save(lambda: np.array(3)), r"images has shape \(\), but \(N, H, W\)"),
    (*save(lambda: np.zeros((30, 64))), r"has shape \(30, 64\), but"),
    (*save(lambda: np.zeros((30, 8, 8, 4))), "8, 4.* take the channels that"),
    (*save(lambda: np.zeros((30, 2, 8, 8))), "shape .30, 2, 8, 8., but"),
    (*save(lambda: good.astype(int) + 256), "int64 pixels from 256 to 256, "
     "but 0 to 1, or whole numbers from 0 to 255, were expected; divide them"),
    (*save(lambda: good.astype(int) - 1), "int64 pixels from -1 to -1, but"),
    (*save(lambda: good + np.uint8(2)), "uint8 pixels from 2 to 2, but 0 to "
     "1, or whole numbers from 0 to 255, were expected; divide them by the n"),
    (*save(lambda: good + 16.0), "float64 pixels from 16.0 to 16.0, but"),
    (*save(lambda: good + 200.5), "float64 pixels from 200.5 to 200.5, but"),
    (*save(lambda: good - 1.0), "float64 pixels from -1.0 to -1.0, .*; add 1 "
     "and halve them"),
    (*save(lambda: good * 1.0 + np.eye(8) * 1.01), "from 0.0 to 1.01, but"),
    (*save(lambda: good + np.nan), r"images is nan at \(0, 0, 0\), and at "
     "1,919 other places; replace or remove what is not finite"),
    (*save(lambda: np.where(np.arange(1920) == 1000, -np.inf, 0).reshape(
        30, 8, 8)), r"is -inf at \(15, 5, 0\), and at 0 other"),
    (*save(lambda: good.astype("U1")), "has pixels of <U1, but real numbers"),
    (*save(lambda: good * 1j), "has pixels of complex128, but real numbers"),
    (*save(lambda: good.astype("M8[s]")), "datetime64.s., "),
    (*save(lambda: np.array([{}] * 30)), "cannot be read as an .npy file of "
     "numbers"),
    ("a.npy", lambda path: path.write_bytes(b""), "cannot be read"),
    ("a.npy", lambda path: path.write_bytes(b"\x93NUMPY"), "cannot be read"),
    ("a.npy", a_bomb, "cannot be read as an .npy file"),
    ("a.npz", a_bomb, "cannot be read as an .npz file"),
    ("a.npz", a_packed_bomb, "cannot be read as an .npz file"),
    ("a.npz", lambda path: path.write_text("PK"), "cannot be read as an .npz"),
    (*save_z(), "has the arrays .none., but one of images was expected"),
    (*save_z(**{f"a\n{i}": good for i in range(99)}), r"has the arrays a.n0, "
     r".*, a.n7 and 91 more, but"),
    (*save_z(a=good, b=good), "has the arrays a, b, but one of images was ex"),
    (*save_z(x_train=good, y_train=TWO, y_test=TWO), "has the arrays x_train,"
     " y_train, y_test, but one of images was expected"),
    (*save_z(x_train=good, x_test=good[:, 1:]), "x_train has shape .30, 8, 8."
     ", but x_test .30, 7, 8.; make them alike"),
    (*save_z(x_train=good, x_test=good + np.nan), "x_test is nan at .0, 0, 0"),
    (*save_z(x_train=ones, x_test=ones, y_train=TWO, y_test=TWO[:9]),
     "y_test is int64 of shape .9,., but a whole number or a word for each of "
     "30 images was expected"),
    (*save_z(x=ones, y=TWO + 0.5), "y is float64 of shape .30,., but a whole"),
    (*save_z(x=ones, y=TWO * np.nan), "y is float64 of shape .30,., but"),
    (*save_z(x=ones, y=np.where(TWO, np.inf, 0).astype("f4")), "y is "
     "float32 of shape .30,., but"),
    (*save_z(x=ones, y=TWO * 1e20), "y is float64 of shape .30,., but a who"),
    (*save_z(x=ones, y=TWO * 1j), "y is complex128 of shape .30,., but"),
    (*save_z(x=ones, y=np.eye(30) * 0.5), "y is float64 of shape .30, 30., b"),
    (*save_z(x=ones, y=np.zeros(())), "y is float64 of shape .., but a whole"),
    (*save_z(x=ones, y=np.ones((30, 2))), "y is float64 of shape .30, 2., b")])
def test_what_is_wrong_gets_a_sentence(tmp_path, name, make, sentence):
    path = tmp_path / name
    make(path)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_own(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_must_not_be_read_gets_a_sentence(tmp_path, monkeypatch):
    """For real only where the tests are not run by root, who may read all."""
    def closed(self):
        raise PermissionError(13, "Permission denied", str(self))
    monkeypatch.setattr(Path, "is_dir", closed)
    with pytest.raises(ValueError, match=r"a cannot be read \(Permission den"):
        load_own(tmp_path / "a")


def test_pictures_that_would_not_fit_into_memory(tmp_path, monkeypatch):
    pictures(tmp_path, mode="L")
    monkeypatch.setattr(own_pictures, "LARGEST", 3510)            # 30 x 9 x 13
    assert len(load_own(tmp_path).data.train_images) == 27
    for place in 0, 20:                         # three channels need thrice it
        Image.new("RGB", (13, 9), "red").save(tmp_path / f"{place:03}.png")
        with pytest.raises(ValueError, match="30 pictures of 9 x 13 would "
                           "take 0.0 GB; scale them with --image-size"):
            load_own(tmp_path)
        os.remove(tmp_path / f"{place:03}.png")
        pictures(tmp_path, mode="L")
