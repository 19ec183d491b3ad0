"""A folder as people have it: every file is used, or it is said why not."""
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_own_data import pictures
from test_pictures import png_of, turned

from minivae.extras.images.folders import Picture, find_pictures
from minivae.extras.images.own_data import load_own

ROOT = Path(__file__).parent.parent
rng = np.random.default_rng(0)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def link(path, to):
    try:
        path.symlink_to(to)
    except OSError:
        pytest.skip("links need a right that Windows gives to few")


def found(folder):
    """What find_pictures finds: names, classes, roles; and its notes."""
    notes = []
    all = find_pictures(folder, notes)
    assert all == [Picture(*one) for one in all]
    return ([one.path.relative_to(folder).as_posix() for one in all],
            [one.class_name for one in all], [one.test for one in all], notes)


# ---- in what order, of what class ------------------------------------------

def test_order_is_natural_and_knows_small_from_capital_letters(tmp_path):
    names = ["A9.png", "a10.png", "b/1.png", "B/1.png", "b/02.png", "b/2.png",
             "b-1/1.png", "b10/1.png", "b9/1.png"]
    touch(tmp_path, *names[::-1])
    order, classes, _, _ = found(tmp_path)
    assert order == ["A9.png", "a10.png", "B/1.png", "b/1.png", "b/02.png",
                     "b/2.png", "b9/1.png", "b10/1.png", "b-1/1.png"]
    assert classes[2:5] == ["B", "b", "b"]


def test_folders_in_a_folder_are_classes(tmp_path):
    touch(tmp_path / "pets", "dog/1.png", "cat/old/2.JPG", "cat/3.webp")
    assert found(tmp_path / "pets")[:3] == (
        ["cat/3.webp", "cat/old/2.JPG", "dog/1.png"],
        ["cat", "cat", "dog"], [None] * 3)


def test_pictures_in_no_class_are_one_of_their_own(tmp_path, monkeypatch):
    touch(tmp_path / "pets", "dog/1.png", "1.png", "2.png")
    for here, folder in (".", tmp_path / "pets"), (tmp_path, Path("pets")), (
            tmp_path / "pets", Path(".")):
        monkeypatch.chdir(here)
        _, classes, _, notes = found(folder)
        assert classes == ["pets", "pets", "dog"]
        assert notes == ["2 pictures outside the class folders form the class "
                         "pets"]
    assert found(Path("dog"))[1:] == (["dog"], [None], [])


def test_an_archives_folder_in_a_folder_is_no_class(tmp_path):
    touch(tmp_path, "pets/pets/dog/1.png", "pets/pets/cat/1.png",
          "pets/read.me")
    assert found(tmp_path / "pets")[1] == ["cat", "dog"]
    assert found(tmp_path)[1] == ["cat", "dog"]


NAMES = ["a$b$", "x_{1}", "naïve", "кот", "猫", "two words", "line\nbreak",
         "%s", "-1", "'quoted'", "emoji🐈"]


@pytest.mark.parametrize("name", NAMES + ["\udcff\udce9"])
def test_names_come_through_unharmed(tmp_path, name):
    try:
        pictures(tmp_path / "own" / name, 20, size=(8, 8))
        pictures(tmp_path / "own" / "b", 20, size=(8, 8))
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    data = load_own(tmp_path / "own").data
    assert set(data.class_names) == {name, "b"}
    assert load_own(tmp_path / "own" / name).title == name


# ---- to train and to test on -----------------------------------------------

@pytest.mark.parametrize("train, test", [
    ("train", "test"), ("Training", "TESTING"), ("train", "val"),
    ("training_set", "test_set"), ("TRAIN", "Validation"), ("train", "valid")])
def test_folders_that_say_what_is_for_testing(tmp_path, train, test):
    touch(tmp_path / "p", *(f"{part}/{c}/{i}.png" for part in (train, test)
                            for c in "ab" for i in range(2)))
    names, classes, roles, notes = found(tmp_path / "p")
    assert roles == [name.startswith(test) for name in names] and not notes
    assert classes == ["a", "a", "b", "b"] * 2


def test_the_split_may_be_inside_of_classes(tmp_path):
    touch(tmp_path / "p", "a/train/1.png", "a/test/1.png", "b/train/1.png",
          "b/test/old/1.png")
    _, classes, roles, _ = found(tmp_path / "p")
    assert classes == ["a", "a", "b", "b"] and roles == [True, False] * 2


def test_what_has_no_part_in_the_split_is_left_out(tmp_path):
    touch(tmp_path / "p", "train/a/1.png", "test/a/1.png", "test/a/2.png",
          "val/a/1.png", "3.png", "more/4.png")
    names, classes, roles, notes = found(tmp_path / "p")
    assert names == ["test/a/1.png", "test/a/2.png", "train/a/1.png"]
    assert roles == [True, True, False]
    assert notes == [
        f"1 left out (for validation): {Path('val/a/1.png')}",
        "2 left out (in neither train nor test): 3.png, "
        f"{Path('more/4.png')}"]


def test_a_class_may_be_called_train(tmp_path):
    touch(tmp_path / "p", "train/1.png", "bus/1.png")
    assert found(tmp_path / "p")[1:3] == (["bus", "train"], [None, None])
    touch(tmp_path / "q", "train/train/1.png", "test/train/1.png",
          "train/bus/1.png")
    assert found(tmp_path / "q")[1] == ["train", "bus", "train"]


def test_a_split_without_classes(tmp_path):
    touch(tmp_path / "p", "train/1.png", "test/1.png")
    assert found(tmp_path / "p")[1:] == (["p", "p"], [True, False], [])


def test_a_split_is_as_the_folders_say(tmp_path):
    for part, count in ("train", 30), ("test", 7):
        pictures(tmp_path / part / "a", count, size=(8, 8))
    data = load_own(tmp_path).data
    assert len(data.train_images) == 30 and len(data.test_images) == 7
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="no picture to test on can be read"):
        load_own(tmp_path)


# ---- what is not taken -----------------------------------------------------

def test_what_is_hidden_is_no_class_and_no_picture(tmp_path):
    touch(tmp_path, "a/1.png", "a/._1.png", ".DS_Store", "a/Thumbs.db",
          "a/.ipynb_checkpoints/1-checkpoint.png", "@eaDir/1.png",
          "__MACOSX/a/1.png", "desktop.ini", ".git/objects/a")
    names, _, _, notes = found(tmp_path)
    assert names == ["a/1.png"] and len(notes) == 1
    assert notes[0].startswith("8 left out (hidden): .DS_Store, ")
    assert notes[0].endswith(", 5 more")


def test_a_folder_may_itself_be_hidden(tmp_path):
    touch(tmp_path / ".cache", "a/1.png")
    assert found(tmp_path / ".cache")[0] == ["a/1.png"]


def test_what_is_no_picture_is_named(tmp_path):
    touch(tmp_path, "1.png", "read.me", "b.heic", "c.zip", "png")
    assert found(tmp_path)[3] == ["4 left out (not pictures): b.heic, "
                                  "c.zip, png, 1 more"]


def test_links_are_followed_but_nothing_is_read_twice(tmp_path):
    p = tmp_path / "p"
    touch(tmp_path / "store", "cats/1.png", "cats/2.png", "one.png")
    touch(p, "dog/1.png", "dog/old/2.png")
    for name, to in {
            "cat": tmp_path / "store/cats", "dog/3.png": tmp_path /
            "store/one.png", "again": "dog", "dog/old/loop": "..",
            "dog/old/deep": "../..", "up": "..", "self": "self",
            "gone": "nowhere", "dog/gone.png": "nowhere.png",
            "z": tmp_path / "store"}.items():
        link(p / name, to)
    names, classes, _, notes = found(p)
    assert names == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/old/2.png",
                     "z/one.png"]
    assert classes == ["cat", "cat", "dog", "dog", "z"]
    assert [note.replace(os.sep, "/") for note in notes] == [
        "5 left out (links to folders already read): again, "
        "dog/old/deep, dog/old/loop, 2 more",
        "3 left out (broken links): dog/gone.png, gone, self",
        "1 left out (links to pictures already read): dog/3.png"]


def test_a_link_that_is_hidden_is_said(tmp_path):
    touch(tmp_path, "store/1.png", "p/1.png")
    for name in ".owl", "Thumbs.db":
        link(tmp_path / "p" / name, tmp_path / "store")
    names, _, _, notes = found(tmp_path / "p")
    assert names == ["1.png"]
    assert notes == ["2 left out (hidden): .owl, Thumbs.db"]


def test_a_picture_and_a_link_to_it_are_one(tmp_path):
    p = tmp_path / "p"
    touch(tmp_path, "store/1.png", "p/train/b.png", "p/test/c.png",
          "p/all/d.png")
    for name, to in {"train/a.png": "../test/c.png", "test/z.png":
                     "../train/b.png", "test/d.png": "../all/d.png",
                     "train/1.png": tmp_path / "store/1.png", "test/1.png":
                     tmp_path / "store/1.png"}.items():
        link(p / name, to)
    names, _, test, notes = found(p)
    # of what is neither to train nor to test on, a link is the only one
    assert sorted(zip(names, test)) == [
        ("test/1.png", True), ("test/c.png", True), ("test/d.png", True),
        ("train/b.png", False)]
    assert [note.replace(os.sep, "/") for note in notes] == [
        "1 left out (in neither train nor test): all/d.png",
        "3 left out (links to pictures already read): test/z.png, "
        "train/1.png, train/a.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    touch(tmp_path, "1.png")
    os.mkfifo(tmp_path / "2.png")
    assert found(tmp_path)[3] == ["1 left out (not files): 2.png"]


def test_what_must_not_be_opened(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "b/1.png")
    scan = os.scandir

    def closed(path):
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)
    monkeypatch.setattr(os, "scandir", closed)
    shut = tmp_path / "b"
    names, _, _, notes = found(tmp_path)
    assert names == ["a/1.png"]
    assert notes == ["1 left out (folders that cannot be opened): b"]
    shut = tmp_path
    with pytest.raises(ValueError, match=re.escape(
            f"{tmp_path} cannot be read (Permission denied); make it ")):
        load_own(tmp_path)


# ---- all of it at once -----------------------------------------------------

def hostile(folder):
    """A folder with all kinds of files; return how many names are in it."""
    for part, count in ("train", 30), ("test", 8), ("val", 3):
        for name in "кот", "a $b_$ {c}":
            pictures(folder / part / name, count, size=(31, 17))
    odd = folder / "train" / "odd\nkinds"
    pictures(odd, 5, mode="L")
    for i, (mode, name) in enumerate({
            "1": "1.png", "L": "2.bmp", "LA": "3.png", "P": "4.gif",
            "RGBA": "5.webp", "CMYK": "6.jpg", "I;16": "7.png",
            "F": "8.tiff", "I": "9.tif", "RGB": "10.JPG"}.items()):
        Image.new(mode, (9 + i, 20 - i), (40,) * len(
            Image.new(mode, (1, 1)).getbands())).save(odd / name)
    (odd / "10.JPG").rename(odd / "a photo.PNG")       # it is a JPEG file
    frames = [Image.new("L", (9, 9), grey) for grey in (1, 2)]
    frames[0].save(odd / "moves.gif", save_all=True, append_images=frames[1:])
    turned(odd, lambda exif: exif[:-20]).rename(odd / "exif.jpg")
    # what cannot be read
    (odd / "bomb.png").write_bytes(png_of(12_000, 12_000))
    (odd / "cut.jpg").write_bytes((odd / "a photo.PNG").read_bytes()[:-30])
    (odd / "chunk.png").write_bytes((odd / "000.png").read_bytes()[:40])
    touch(odd, "empty.png")
    # what is no picture
    touch(folder, "read.me", "train/labels.csv", "train/photo.heic")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("1.png", b"")
    # what systems put there
    touch(folder, ".DS_Store", "train/Thumbs.db", "train/кот/._000.png",
          "train/.ipynb_checkpoints/000.png", "__MACOSX/train/кот/._1.png",
          "test/@eaDir/000.jpg")
    pictures(folder / "other", 2)
    count = sum(len(files) for _, _, files in os.walk(folder))
    # links: a class elsewhere, a folder read already, a parent, nowhere
    pictures(folder.parent / "store", 20)
    link(folder / "train" / "stored", folder.parent / "store")
    link(folder / "train" / "again", folder / "train" / "кот")
    link(folder / "train" / "up", folder.parent)
    link(folder / "train" / "gone", "nowhere.png")
    return count + 20 + 3


def test_a_hostile_folder_is_trained_on(tmp_path):
    """As a user does: without pytest, whose warnings are errors."""
    count = hostile(tmp_path / "photos")
    done = subprocess.run(
        [sys.executable, ROOT / "demos" / "train_fashion.py", "--data-dir",
         "photos", "--image-size", "8", "--epochs", "1", "--batch-size", "32",
         "--workers", "1", "--device", "cpu", "--out", "out"], cwd=tmp_path,
        capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert (done.returncode, done.stderr) == (0, "")
    train, test = map(int, re.search(
        "data +([0-9]+) training and ([0-9]+) test", done.stdout).groups())
    assert test == 16
    left_out = [int(n) for n in re.findall(r"^note +(\d+) left out ",
                                           done.stdout, re.M)]
    assert train + test + sum(left_out) == count
    assert "4 left out (damaged): " in done.stdout
    assert "first frame" in done.stdout and "moves.gif" in done.stdout
    assert "pictures were read in spite of warnings (" in done.stdout
    assert (tmp_path / "out" / "model.npz").exists()
