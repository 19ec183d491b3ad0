"""IDX files are read when they are right; what is wrong gets a sentence."""
import gzip
import hashlib
import zlib

import numpy as np
import pytest

from minivae.datasets.pack import pack
from minivae.extras.images import idx
from minivae.extras.images.idx import FILES, Idx, load_idx, read_idx


def idx_bytes(a):
    a = np.asarray(a, np.uint8)
    head = bytes([0, 0, 8, a.ndim]) + b"".join(
        size.to_bytes(4, "big") for size in a.shape)
    return head + a.tobytes()


def a_set(rng=0, train=30, test=20, shape=(9, 10)):
    """Four arrays, as in a real set: images, labels, images, labels."""
    rng = np.random.default_rng(rng)
    return [part for N in (train, test) for part in (
        rng.integers(0, 256, (N, *shape)), rng.integers(0, 10, N))]


def write(folder, arrays, zipped=False):
    folder.mkdir(exist_ok=True)
    for file, a in zip(FILES, arrays):
        content = idx_bytes(a)
        (folder / f"{file}.gz").write_bytes(gzip.compress(content)) if (
            zipped) else (folder / file).write_bytes(content)
    return folder


@pytest.fixture
def originals(monkeypatch):
    """Let two small sets be MNIST and Fashion-MNIST."""
    sets = {"MNIST": a_set(1), "Fashion-MNIST": a_set(2)}
    monkeypatch.setattr(idx, "ORIGINALS", {
        name: tuple(hashlib.sha256(idx_bytes(a)).hexdigest() for a in arrays)
        for name, arrays in sets.items()})
    return sets


@pytest.mark.parametrize("zipped", [False, True])
def test_a_set_is_what_was_written(tmp_path, zipped):
    arrays = a_set()
    got = load_idx(write(tmp_path, arrays, zipped))
    assert got.name is None and got.prefix == ""
    for mine, want in zip(got, arrays):
        np.testing.assert_array_equal(mine, want)
        assert mine.dtype == np.uint8


def test_the_originals_are_recognised(tmp_path, originals):
    for name, arrays in originals.items():
        folder = write(tmp_path / name, arrays)
        assert load_idx(folder).name == load_idx(folder, name).name == name


# ---- where people have them ------------------------------------------------

NAMES = {
    "": FILES, "dots": [file.replace("-idx", ".idx") for file in FILES],
    "emnist-digits-": [f"emnist-digits-{file}".replace("t10k", "test")
                       for file in FILES],
    "qmnist-": [f"qmnist-{file}".replace("t10k", "test") for file in FILES]}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("where", ["", "raw", "MNIST/raw", "own name"])
def test_files_are_found_by_their_usual_names(tmp_path, names, ending, where):
    arrays = a_set(shape=(6, 6))
    for name, a in zip(names, arrays):
        path = tmp_path / where / f"{name}{ending}"
        if where == "own name":                # as Kaggle's archives have it
            path = tmp_path / path.name / path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(idx_bytes(a)) if ending
                         else idx_bytes(a))
    for given in tmp_path, path, path.parent:
        if given == path.parent and where == "own name":
            continue
        got = load_idx(given)
        for place, (mine, want) in enumerate(zip(got, arrays)):
            if got.prefix == "emnist-digits-" and place % 2 == 0:
                want = want.transpose(0, 2, 1)
            np.testing.assert_array_equal(mine, want)
    assert got.prefix in ("", "emnist-digits-", "qmnist-")


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path, ending, pack):
    path = tmp_path / f"{FILES[0]}{ending}"
    path.write_bytes(pack(idx_bytes(np.ones((2, 3, 4)))))
    np.testing.assert_array_equal(read_idx(path, 3)[0], np.ones((2, 3, 4)))


def test_a_plain_file_stands_before_a_packed_one(tmp_path):
    write(tmp_path, a_set(1), zipped=True)
    arrays = a_set(2)
    np.testing.assert_array_equal(
        load_idx(write(tmp_path, arrays)).train_images, arrays[0])
    np.testing.assert_array_equal(
        load_idx(tmp_path / f"{FILES[0]}.gz").train_images, arrays[0])


def test_of_several_sets_one_must_be_named(tmp_path):
    sets = {name: a_set(seed) for seed, name in enumerate(("MNIST", "KMNIST"))}
    for name, arrays in sets.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name / "raw", arrays)
    with pytest.raises(ValueError, match="has several sets of IDX files .*"
                       "KMNIST.*MNIST.*; name one of their files instead"):
        load_idx(tmp_path)
    (tmp_path / "MNIST" / "raw" / FILES[3]).unlink()      # no complete set
    for given in tmp_path, tmp_path / "KMNIST":
        np.testing.assert_array_equal(load_idx(given).train_images,
                                      sets["KMNIST"][0])
    letters = a_set(3)
    for file, a in zip(FILES, letters):
        (tmp_path / "KMNIST" / "raw" / f"emnist-letters-{file}").write_bytes(
            idx_bytes(a))
    with pytest.raises(ValueError, match="emnist-letters-.*, .*; name one"):
        load_idx(tmp_path / "KMNIST")
    for file, a in zip(FILES, letters):
        path = tmp_path / "KMNIST" / "raw" / f"emnist-letters-{file}"
        np.testing.assert_array_equal(load_idx(path).train_labels, letters[1])
        np.testing.assert_array_equal(
            load_idx(path.with_name(file)).train_images, sets["KMNIST"][0])


def test_labels_may_be_of_any_number(tmp_path):
    arrays = a_set()
    arrays[1], arrays[3] = arrays[1] + 200, arrays[3] + 200
    assert load_idx(write(tmp_path, arrays)).train_labels.max() > 200


# ---- what is wrong ---------------------------------------------------------

def number(size):
    return size.to_bytes(4, "big")


RIGHT = idx_bytes(np.ones((2, 3, 4)))


@pytest.mark.parametrize("content, problem", [
    (b"", "is no IDX file of bytes with 3 axes"),
    (RIGHT[:9], "is no IDX file of bytes with 3 axes"),
    (b"PK" + RIGHT[2:], "is no IDX file of bytes with 3 axes"),
    (bytes([0, 0, 13, 3]) + RIGHT[4:], "is no IDX file of bytes"),  # floats
    (idx_bytes(np.ones(9)), "is no IDX file of bytes with 3 axes"),
    (RIGHT[:-1], "holds fewer bytes than the 24 that it claims"),
    (RIGHT + b"x", "holds more bytes than the 24 that it claims"),
    (RIGHT[:4] + 3 * number(2 ** 32 - 1), "claims to hold 4294967295 x 429"),
    (RIGHT[:4] + number(2 ** 16) * 2 + number(2 ** 16) + b"x", "claims to"),
    (RIGHT[:4] + number(0) + RIGHT[8:], "claims to hold 0 x 3 x 4 bytes")],
    ids="empty cut magic floats labels short long huge large none".split())
@pytest.mark.parametrize("zipped", [False, True])
def test_a_bad_file_gets_a_sentence(tmp_path, content, problem, zipped):
    path = tmp_path / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError) as caught:
        read_idx(path, 3)
    assert str(caught.value).startswith(f"{path} ")
    assert problem in str(caught.value)
    assert str(caught.value).endswith("; get the file again")


@pytest.mark.parametrize("damage", [
    lambda packed: packed[:-9], lambda packed: packed[:2] + b"not gzip",
    lambda packed: packed[:20] + b"??" + packed[22:],
    lambda packed: packed[:-8] + bytes(4) + packed[-4:]])      # its CRC
def test_a_damaged_gzip_gets_a_sentence(tmp_path, damage):
    path = tmp_path / "file.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(
        np.random.default_rng(0).integers(0, 256, (9, 9, 9))))))
    with pytest.raises(ValueError, match=r"file.gz cannot be read \(.*get"):
        read_idx(path, 3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    resource = pytest.importorskip("resource")             # not on Windows
    path = tmp_path / "bomb.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2 ** 20)
    path.write_bytes(packer.compress(RIGHT) + b"".join(
        packer.compress(zeros) for _ in range(300)) + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="holds more bytes than the 24"):
        read_idx(path, 3)
    assert resource.getrusage(
        resource.RUSAGE_SELF).ru_maxrss - before < 20_000            # KB


def test_files_that_do_not_belong_together(tmp_path, originals):
    images, labels, test_images, test_labels = own = a_set()

    def refused(sentence, arrays, wanted=None):
        with pytest.raises(ValueError, match=sentence):
            load_idx(write(tmp_path, arrays), wanted)
    refused("has 30 images but 29 labels named train",
            [images, labels[:-1], test_images, test_labels])
    refused("has 20 images but 21 labels named t10k",
            [images, labels, test_images, np.append(test_labels, 1)])
    refused("training images of 9 x 10 but test images of 8 x 10",
            [images, labels, test_images[:, 1:], test_labels])
    refused("has 20 training images but 30 test images; swap the files",
            own[2:] + own[:2])
    mnist, fashion = originals.values()
    refused("holds MNIST, but Fashion-MNIST was expected; use the demo",
            mnist, "Fashion-MNIST")
    refused("is in truth MNIST's t10k-images-idx3-ubyte; swap the two files",
            mnist[2:] + mnist[:2])
    refused("mixes files of several sets", mnist[:2] + fashion[2:])
    refused("mixes files of several sets", [*mnist[:3], test_labels])
    assert isinstance(load_idx(write(tmp_path, own), "MNIST"), Idx)


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path, a_set())
    (tmp_path / FILES[2]).unlink()
    with pytest.raises(ValueError, match=f"has neither {FILES[2]} nor "
                       f"{FILES[2]}.gz; put all four"):
        load_idx(tmp_path)
    with pytest.raises(ValueError, match=f"has neither {FILES[0]} nor "):
        load_idx(tmp_path / "nowhere")


def test_only_originals_are_packed(tmp_path, originals):
    packed = pack("mnist", write(tmp_path, originals["MNIST"]))
    assert packed["train_bits"].shape == (30, 12)
    with pytest.raises(ValueError, match="does not hold the original MNIST"):
        pack("mnist", write(tmp_path, a_set()))
    with pytest.raises(ValueError, match="holds MNIST, but Fashion-MNIST"):
        pack("fashion_mnist", write(tmp_path, originals["MNIST"]))
