"""The originals are fetched once, from the mirror that has them."""
import errno
import functools
import gzip
import http.server
import os
import sys
import threading

import pytest
from test_idx import a_set, idx_bytes, originals, write  # noqa: F401

from minivae.extras.images import download as module
from minivae.extras.images.download import download
from minivae.extras.images.idx import FILES, load_idx

pytest.importorskip("pooch")


@pytest.fixture
def mirrors(tmp_path, monkeypatch, originals):               # noqa: F811
    """Two mirrors on this machine: folders, and what was asked of them."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)
    root = tmp_path / "mirrors"
    for name in "one", "two":
        root.joinpath(name).mkdir(parents=True)
        write(root / name, originals["MNIST"], zipped=True)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(module, "MIRRORS", {"MNIST": [
        f"http://127.0.0.1:{server.server_port}/{name}/"
        for name in ("one", "two")]})
    yield root, asked
    server.shutdown()
    server.server_close()


def test_what_comes_is_the_original_and_stays(tmp_path, mirrors):
    _, asked = mirrors
    folder = download("MNIST", tmp_path / "cache")
    assert load_idx(folder).name == "MNIST"
    assert asked == [f"/one/{file}.gz" for file in FILES]
    assert download("MNIST", tmp_path / "cache") == folder
    assert len(asked) == 4                                  # not once more


@pytest.mark.parametrize("damage", [
    lambda path: path.unlink(), lambda path: path.write_bytes(b"?"),
    lambda path: path.write_bytes(gzip.compress(idx_bytes(a_set(9)[0])))])
def test_the_second_mirror_helps(tmp_path, mirrors, damage):
    root, asked = mirrors
    damage(root / "one" / f"{FILES[0]}.gz")
    assert load_idx(download("MNIST", tmp_path / "cache")).name == "MNIST"
    assert f"/two/{FILES[0]}.gz" in asked


def test_a_damaged_cache_is_mended(tmp_path, mirrors):
    folder = download("MNIST", tmp_path / "cache")
    (folder / f"{FILES[2]}.gz").write_bytes(b"?")
    assert load_idx(download("MNIST", folder)).name == "MNIST"


def test_files_that_no_mirror_has_as_they_were(tmp_path, mirrors):
    root, _ = mirrors
    for name in "one", "two":
        (root / name / f"{FILES[1]}.gz").write_bytes(b"?")
    with pytest.raises(RuntimeError, match="/one/: another file, or not all "
                       "of it; .*/two/: another file, or not all of it.; get"):
        download("MNIST", tmp_path / "cache")
    assert not (tmp_path / "cache" / f"{FILES[1]}.gz").exists()


def test_without_a_network_the_way_by_hand_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIRRORS", {"MNIST": [
        "http://127.0.0.1:9/", "http://127.0.0.1:9/again/"]})
    with pytest.raises(RuntimeError) as caught:
        download("MNIST", tmp_path / "cache")
    sentence = str(caught.value)
    assert sentence.startswith("MNIST cannot be downloaded (http://127.0.0."
                               "1:9/: ConnectionError; http://127.0.0.1:9/")
    assert "train-images-idx3-ubyte.gz, train-labels" in sentence
    assert "put them in a folder, and name it with --data-dir" in sentence
    assert not list((tmp_path / "cache").iterdir())


def test_each_mirror_has_its_own_problem(tmp_path, mirrors):
    root, _ = mirrors
    (root / "one" / f"{FILES[0]}.gz").unlink()
    (root / "two" / f"{FILES[0]}.gz").write_bytes(b"?")
    with pytest.raises(RuntimeError, match="/one/: HTTPError; .*/two/: another"
                       " file, or not all of it"):
        download("MNIST", tmp_path / "cache")


@pytest.mark.parametrize("number, reason", [
    (errno.ENOSPC, "No space left"), (errno.EACCES, "Permission denied")])
def test_a_folder_without_room_or_rights_is_not_the_mirrors_fault(
        tmp_path, mirrors, monkeypatch, number, reason):
    def move(*args):
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr("shutil.move", move)
    with pytest.raises(RuntimeError, match="MNIST cannot be put into .*cache "
                       fr"\({reason}.*\); make room or rights there, or get "):
        download("MNIST", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_folder_in_a_files_place(tmp_path, mirrors):
    (tmp_path / f"{FILES[0]}.gz").mkdir()
    with pytest.raises(RuntimeError, match="MNIST cannot be put into"):
        download("MNIST", str(tmp_path))


def test_an_interrupted_download_leaves_nothing(tmp_path, mirrors,
                                                monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr("requests.models.Response.iter_content", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download("MNIST", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_without_pooch_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(RuntimeError, match="pooch is needed: pip install"):
        download("MNIST")


def test_two_sets_do_not_share_a_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path)
    monkeypatch.setattr(module, "_is_original", lambda *_: True)
    assert download("MNIST") != download("Fashion-MNIST")
