"""Pictures, arrays and IDX files of one's own become a Dataset, or a
sentence."""
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from test_idx import a_set, write

from minivae.data import FASHION_CLASSES
from minivae.extras import own_data
from minivae.extras.own_data import load_own

rng = np.random.default_rng(0)


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
    # 13 x 9 pixels, cut to multiples of 4; every tenth is for testing
    np.testing.assert_array_equal(data.test_images[:, 0, 0], colours[9::10])
    np.testing.assert_array_equal(data.train_images[:9, 7, 11], colours[:9])
    assert notes == ["images of 9 x 13 were cut to 8 x 12: the network needs "
                     "multiples of 4"]
    np.testing.assert_array_equal(data.grey, data.test_images[
        data.grey_index])
    binary, _, _ = load_own(tmp_path)
    np.testing.assert_array_equal(binary.train_images,
                                  data.train_images > 127)
    np.testing.assert_array_equal(binary.grey, data.grey)


def test_a_cameras_capital_letters_are_read(tmp_path):
    pictures(tmp_path, size=(8, 8), ending="JPG")
    assert len(load_own(tmp_path).data.train_images) == 27


def test_grey_pictures_have_one_channel_and_ink_is_dark(tmp_path):
    colours = pictures(tmp_path, mode="L", ending="jpg", size=(8, 8))
    data, _, notes = load_own(tmp_path, binary=False)
    assert data.train_images.shape == (27, 8, 8, 1) and not notes
    np.testing.assert_allclose(data.test_images[:, 4, 4, 0],
                               255 - colours[9::10, 0], atol=2)     # JPEG


def test_folders_are_classes_and_other_files_are_passed_over(tmp_path):
    for name in "dog", "cat":
        pictures(tmp_path / name, size=(8, 8))
    pictures(tmp_path / "dog" / "small", 20, size=(8, 8))
    (tmp_path / "read.me").write_text("hello")
    data, _, notes = load_own(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.test_labels).tolist() == [3, 5]
    assert notes == [f"1 files in {tmp_path} are no PNG or JPEG files and "
                     "were passed over"]
    few = data.grey_index[::10]
    assert len(few) == 10 and data.names(few) == sorted(data.names(few))
    assert set(data.names(few)) == {"cat", "dog"}


def test_too_many_classes_count_as_one(tmp_path):
    for i in range(21):
        pictures(tmp_path / f"{i:02}", 2, size=(8, 8))
    data, _, notes = load_own(tmp_path)
    assert data.class_names == ("image",) and not data.train_labels.any()
    assert notes == ["there are 21 classes, too many to draw: they count as "
                     "one"]


@pytest.mark.parametrize("mode, colour, want", [
    ("RGBA", (200, 0, 0, 0), (255, 255, 255)),      # clear: on white
    ("RGBA", (200, 0, 0, 255), (200, 0, 0)),
    ("P", 3, None), ("1", 1, (255, 255, 255)), ("LA", (9, 255), (9, 9, 9)),
    ("I;16", 200 * 257, (200, 200, 200))])
def test_every_kind_of_picture_is_read(tmp_path, mode, colour, want):
    Image.new(mode, (8, 8), colour).save(tmp_path / "a.png")
    image = own_data.read_picture(tmp_path / "a.png")
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert want is None or tuple(image[0, 0]) == want


def test_a_turned_photo_stands_upright(tmp_path):
    image = Image.fromarray(np.arange(8, dtype="u1")[:, None].repeat(16, 1))
    exif = image.getexif()
    exif[0x0112] = 6                        # to be turned by a quarter
    image.save(tmp_path / "a.jpg", exif=exif)
    assert own_data.read_picture(tmp_path / "a.jpg").shape == (16, 8, 3)


def test_image_size_makes_all_sizes_one(tmp_path):
    pictures(tmp_path / "a", 20, (40, 20))
    pictures(tmp_path / "b", 20, (15, 31))
    data, _, notes = load_own(tmp_path, size=16)
    assert data.train_images.shape == (36, 16, 16, 3)
    assert notes == ["pictures were cut to squares and scaled to 16 x 16"]


def test_scaling_keeps_the_middle(tmp_path):
    wide = np.zeros((40, 16, 32, 1), np.uint8)
    wide[:, :, 8:24] = 255                           # white in the middle
    np.save(tmp_path / "a.npy", wide)
    data, _, notes = load_own(tmp_path / "a.npy", size=8)
    assert data.train_images.shape == (36, 8, 8, 1) and data.train_images.all()
    assert notes == ["images of 16 x 32 were scaled to 8 x 8"]


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
    np.testing.assert_array_equal(data.test_images, want[9::10])
    np.testing.assert_array_equal(data.train_images[:9], want[:9])


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_images_lie_in_memory_image_by_image(tmp_path, binary, order):
    np.save(tmp_path / "a.npy", np.ones((40, 9, 10), "u1", order))
    data = load_own(tmp_path / "a.npy", binary=binary).data
    for images in data.train_images, data.test_images:
        assert images.flags.c_contiguous         # as their SHA-256 needs them


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_whole_numbers_0_and_1_are_white_and_black(tmp_path, dtype):
    bits = rng.integers(0, 2, (30, 8, 8)).astype(dtype)
    np.save(tmp_path / "a.npy", bits)
    data = load_own(tmp_path / "a.npy").data
    np.testing.assert_array_equal(data.test_images[..., 0], bits[9::10])


def test_columns_first_and_version_2_are_read(tmp_path):
    a = np.asfortranarray(rng.integers(0, 256, (30, 8, 12)).astype("uint8"))
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, a, version=(2, 0))
    data, _, _ = load_own(tmp_path / "a.npy", binary=False)
    np.testing.assert_array_equal(data.test_images[..., 0], a[9::10])


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
    assert load_own(path).data.class_names == ("0",)


def test_idx_files(tmp_path):
    arrays = a_set(shape=(9, 14))
    data, title, notes = load_own(write(tmp_path / "set", arrays), "MNIST",
                                  binary=False)
    assert title == "set" and data.class_names == tuple("0123456789")
    np.testing.assert_array_equal(data.test_images[..., 0],
                                  arrays[2][:, :8, 1:13])
    assert "cut to 8 x 12" in notes[0]
    assert "T-shirt" in FASHION_CLASSES


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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, (
            archive.open("a.npy", "w", force_zip64=True)) as part:
        for _ in range(1025):
            part.write(bytes(2 ** 20))


good = np.zeros((30, 8, 8), "uint8")


@pytest.mark.parametrize("name, make, sentence", [
    ("none", lambda path: None, "does not exist; --data-dir names a folder"),
    ("a.txt", lambda path: path.write_text("hello"), "is neither a folder "),
    ("empty", lambda path: path.mkdir(), "has 0 PNG or JPEG files, but at "
     "least 20 were expected; put more there"),
    ("few", lambda path: pictures(path, 19), "has 19 PNG or JPEG files"),
    ("small", lambda path: pictures(path, size=(7, 9)),
     "has images of 9 x 7 pixels, but at least 8 x 8"),
    ("mixed", lambda path: (pictures(path), pictures(path / "z", 1, (9, 9))),
     r"000.png has 9 x 9 pixels, but 000.png has 9 x 13; give all one size "
     "with --image-size"),
    ("text", lambda path: (pictures(path), (path / "x.png").write_text("?")),
     "x.png cannot be read as a picture .*; remove or replace it"),
    ("cut", lambda path: (pictures(path, ending="jpg"), (
        path / "007.jpg").write_bytes((path / "007.jpg").read_bytes()[:-40])),
     "007.jpg cannot be read as a picture"),
    ("chunk", lambda path: (pictures(path), (path / "003.png").write_bytes(
        (path / "003.png").read_bytes()[:40] + b"??????")),
     "003.png cannot be read as a picture"),
    (*save(lambda: good[:10]), "has 10 images, but at least 20"),
    (*save(lambda: good[0]), r"images have shape \(8, 8\), but \(N, H, W\)"),
    (*save(lambda: np.zeros((30, 3, 8, 8))), "shape .30, 3, 8, 8., but"),
    (*save(lambda: good.astype(int) + 256),
     "not all of its int64 pixels lie between 0 and 255; scale them"),
    (*save(lambda: good - 1.0), "float64 pixels lie between 0 and 1; scale"),
    (*save(lambda: good + np.nan), "float64 pixels lie between 0 and 1"),
    (*save(lambda: good.astype("U1")), "not all of its <U1 pixels"),
    (*save(lambda: np.array([{}] * 30)), "cannot be read as an .npy file of "
     "numbers"),
    ("a.npy", lambda path: path.write_bytes(b"\x93NUMPY"), "cannot be read"),
    ("a.npy", a_bomb, "an array's header does not fit its size"),
    ("a.npz", a_bomb, "an array's header does not fit its size"),
    ("a.npz", a_packed_bomb, "a.npy would take 1.1 GB"),
    ("a.npz", lambda path: path.write_text("PK"), "cannot be read as an .npz"),
    (*save_z(), "has the arrays , but one was expected, or x_train, y_train"),
    (*save_z(a=good, b=good), "has the arrays a, b, but one was expected"),
    (*save_z(x_train=good, x_test=good[:, 1:]), "x_train has shape .30, 8, 8,"
     " 1., but x_test .30, 7, 8, 1.; make them alike"),
    (*save_z(x_train=good, x_test=good, y_train=good[:, 0, 0], y_test=good[
        :9, 0, 0]), "labels are uint8 of shape .9,., but for each of 30 "),
    (*save_z(x_train=good, x_test=good, y_train=good[:, 0, 0] + 20),
     "a whole number from 0 to 19 was expected"),
    (*save_z(x_train=good, x_test=good, y_train=good[:, 0, 0] * 1.0),
     "labels are float64 of shape .30,., but")])
def test_what_is_wrong_gets_a_sentence(tmp_path, name, make, sentence):
    path = tmp_path / name
    make(path)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_own(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pictures_that_would_not_fit_into_memory(tmp_path, monkeypatch):
    pictures(tmp_path)
    monkeypatch.setattr(own_data, "LARGEST", 10_000)
    with pytest.raises(ValueError, match="30 pictures of 9 x 13 would take "
                       "0.0 GB; scale them with --image-size"):
        load_own(tmp_path)


def test_a_picture_too_large_to_be_meant_well(tmp_path, monkeypatch):
    pictures(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="000.png cannot be read .*exceeds"):
        load_own(tmp_path)
