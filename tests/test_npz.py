"""What was written comes back, every bit of it, or there is one sentence."""
import errno
import io
import itertools
import json
import multiprocessing
import os
import pickle
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minivae import files
from minivae.extras.runs import npz
from minivae.extras.runs.npz import load, read_file, save

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3)),
          "one": np.array(7, "float32"), "bytes": np.arange(9, dtype="uint8")}
STATE = {"x": 1e-300, "y": [1, None, "é"], "seed": 2 ** 127 + 1}


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "c.npz", ARRAYS, STATE)
    return tmp_path / "c.npz"


def same(loaded):
    arrays, state = loaded
    return state == STATE and arrays.keys() == ARRAYS.keys() and all(
        arrays[name].dtype == a.dtype and arrays[name].shape == a.shape
        and (arrays[name] == a).all() for name, a in ARRAYS.items())


def test_all_comes_back(path):
    assert same(load(path)) and same(load(str(path)))
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]
    with np.load(path, allow_pickle=False) as file:    # for any reader
        np.testing.assert_array_equal(file["a"], ARRAYS["a"])


def test_arrays_that_lie_by_columns_come_back_too(tmp_path):
    a = np.asfortranarray(ARRAYS["a"])
    save(tmp_path / "c.npz", {"a": a, "every other": a[:, ::2]}, {})
    arrays, _ = load(tmp_path / "c.npz")
    np.testing.assert_array_equal(arrays["a"], a)
    np.testing.assert_array_equal(arrays["every other"], a[:, ::2])


def test_no_memory_is_no_damage(path, monkeypatch):
    def none(*args, **kwargs):
        raise MemoryError("Unable to allocate 74.5 GiB")
    monkeypatch.setattr(np.lib.format, "read_array", none)
    with pytest.raises(MemoryError):
        load(path)
    with pytest.raises(ValueError, match="does not fit into memory .*74.5 GiB"
                       ".; put fewer images there"):
        read_file(path)


# ---- damage ----------------------------------------------------------------

def damages(good, rng, count):
    """Yield a file's bytes, damaged: some by the byte, some by the piece."""
    for _ in range(count):
        i, j, k = sorted(rng.integers(0, len(good) + 1, 3).tolist())
        bad = bytearray(good)
        bad[i % len(good)] ^= rng.integers(1, 256)
        noise = rng.bytes(j - i)
        yield from (bytes(bad), good[:i], good[i:], good[:i] + good[j:],
                    good[:i] + bytes(j - i) + good[j:],
                    good[:i] + noise + good[j:], good[:i] + noise + good[i:],
                    good[:i] + good[j:k] + good[i:j] + good[k:],
                    good[:j] + good[i:])


HEADERS = [                       # of 48 bytes: descr, fortran_order, shape
    ("<f8", False, (2 ** 33,)), ("<f8", False, (2 ** 70,)),
    ("<f8", False, (-1, -6)), ("<f8", False, (-6,)), ("<f8", True, (2, 3)),
    ("<f8", False, (True, 6)), ("<f8", False, (2.0, 3)), ("<f8", False, 6),
    ("<f8", False, ("é",)), ("<f8", 1, (6,)), (">f8", False, (6,)),
    ("<i8", False, (6,)), ("<c8", False, (6,)), ("|O", False, (6,)),
    ("|V8", False, (6,)), ("|S0", False, (2 ** 40,)), ("|S8", False, (6,)),
    ("<M8[s]", False, (6,)), ("<f2", False, (24,)), ("é", False, (6,)),
    ("a8", False, (6,)), ("f8, f8", False, (3,)), ("", False, (6,)),
    ([("x", "<f8")], False, (6,)), ([("é", "|O")], False, (6,)),
    ({"names": ["x"], "formats": ["<f8"]}, False, (6,)), (None, False, (6,)),
    ("<f8", False, ()), (("<f8", (6,)), False, (1,))]
TEXTS = ["", "{", "{}", "[]", "(" * 5000, "-" * 9000 + "1", "1L", "{'d': 1L",
         "\\N{", "\"\"\"", "\0", "é" * 9000, "9" * 9000, "[" * 60 + "]" * 60,
         "{'descr': '<f8', 'fortran_order': False, 'shape': (6L,), }",
         "{'descr': '<f8', 'fortran_order': False, 'shape': (6,), 'x': 1}",
         "{'descr': '<f8', 'fortran_order': False, 'shape': (0x6,)} or '\\d'"]


def headers():
    """Yield .npy files of 48 bytes with what could stand in a header."""
    texts = TEXTS + [str({"descr": descr, "fortran_order": order,
                          "shape": shape}) for descr, order, shape in HEADERS]
    for text, length in itertools.product(texts, (None, 0, 2 ** 16 - 1)):
        head = text.encode() + b"\n"
        length = len(head) if length is None else length
        for version in b"\1\0", b"\2\0", b"\3\0", b"\xff\0":
            size = length.to_bytes(2 if version == b"\1\0" else 4, "little")
            yield b"\x93NUMPY" + version + size + head + bytes(48)
    yield b"\x93NUMPY\2\0\xff\xff\xff\xff" + bytes(48)


def zipped(parts, compression=zipfile.ZIP_STORED):
    """Return a zip file of parts, name -> bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def parts_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archives(good):
    """Yield what else could be done to a file's parts."""
    parts = parts_of(good)
    names = list(parts)
    for one, other in itertools.combinations(names, 2):
        yield zipped(parts | {one: parts[other], other: parts[one]})
    for name in names:
        yield zipped({n: p for n, p in parts.items() if n != name})
        yield zipped(parts | {f"{name}.npy": parts[name]})
        yield zipped(parts | {name: parts[name][:-1]})
        yield zipped(parts | {name: parts[name] + bytes(1)})
        yield zipped(parts | {name: b""})
    for name in names[0], names[1]:
        for header in headers():
            yield zipped(parts | {name: header})
    yield zipped(parts, zipfile.ZIP_DEFLATED)
    yield zipped(parts, zipfile.ZIP_BZIP2)
    for at in range(0, 30, 2):          # flags and methods, in all places
        for sign, shift in (b"PK\3\4", 0), (b"PK\1\2", 2):
            bad = bytearray(good)
            place = bad.find(sign)
            while place >= 0:
                bad[place + shift + at] ^= 1
                place = bad.find(sign, place + 1)
            yield bytes(bad)


def try_all(contents, path, read, right):
    """Read damaged files: each is right, or one short line says it is not.

    Returns how many were refused. The memory that it takes is little.
    """
    refused, before = 0, peak()
    for content in contents:
        path.write_bytes(content)
        try:
            assert right(read(path))
        except ValueError as error:
            sentence = str(error).replace(str(path), "")
            assert sentence.isprintable() and sentence.isascii()
            assert len(sentence) < 400
            refused += 1
    assert peak() - before < 60_000                                   # KB
    return refused


def peak():
    try:
        import resource
    except ImportError:                                     # on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_damage_is_seen_or_changes_nothing(path):
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    assert try_all(damages(good, rng, 200), path, load, same) > 1500
    assert try_all(archives(good), path, load, same) > 300


def test_a_file_that_was_cut_anywhere_is_refused(path):
    good = path.read_bytes()
    cuts = (good[:length] for length in range(len(good)))
    assert try_all(cuts, path, load, same) == len(good)


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write the file's parts anew, after change(name -> bytes)."""
    parts = parts_of(path.read_bytes())
    change(parts)
    path.write_bytes(zipped(parts, compression))


def npy(a):
    content = io.BytesIO()
    np.save(content, a)
    return content.getvalue()


def manifest_of(parts):
    return json.loads(np.load(io.BytesIO(parts["manifest.npy"])).tobytes())


def claim(parts, name, shape, in_manifest):
    """Let an array claim another shape, in its header or in both."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {
        "descr": "<f8", "fortran_order": False, "shape": shape})
    parts[f"{name}.npy"] = content.getvalue() + bytes(48)
    if in_manifest:
        manifest = manifest_of(parts)
        manifest["arrays"][name] = ["<f8", list(shape)]
        parts["manifest.npy"] = npy(np.frombuffer(
            json.dumps(manifest).encode(), "uint8"))


@pytest.mark.parametrize("change, sentence", [
    (lambda parts: parts.pop("a.npy"), "not those of its manifest"),
    (lambda parts: parts.update({"b.npy": npy(np.zeros(2))}),
     "not those of its manifest"),
    (lambda parts: parts.update({"a.npy": npy(np.zeros((3, 2)))}),
     "not those of its manifest"),
    (lambda parts: parts.update({"a.npy": npy(ARRAYS["a"] + 1)}),
     "SHA-256 is wrong"),
    (lambda parts: parts.update({"a.npy": npy(np.array([{}], object))}),
     "an array is of object, not of numbers"),
    (lambda parts: parts.update({"a.npy": npy(np.asfortranarray(
        ARRAYS["a"]))}), "an array is stored by columns"),
    (lambda parts: parts.update({"a": npy(ARRAYS["a"])}),
     "a is there twice, or is not an array"),
    (lambda parts: claim(parts, "a", (2 ** 33,), False),
     "does not fit its size"),
    (lambda parts: claim(parts, "a", (2 ** 33,), True),
     "does not fit its size"),
    (lambda parts: claim(parts, "a", (-2, -3), True),
     "does not fit its size"),
    (lambda parts: parts.pop("manifest.npy"), "it has no manifest: another "
     "program, or an older version of minivae, has written it"),
    (lambda parts: parts.update({"manifest.npy": npy(np.frombuffer(
        b'{"format": 2}', "uint8"))}), "its format is 2, but this version")])
def test_what_was_put_together_otherwise_is_refused(path, change, sentence):
    rewritten(path, change)
    with pytest.raises(ValueError, match=sentence):
        load(path)


class Bomb:
    """It says so if it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_a_pickle_is_not_read(path, capsys):
    payload = pickle.dumps(Bomb())
    payload += bytes(-len(payload) % 8)

    def smuggle(parts):
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(content, {
            "descr": "|O", "fortran_order": False,
            "shape": (len(payload) // 8,)})
        parts["a.npy"] = content.getvalue() + payload
        manifest = manifest_of(parts)
        manifest["arrays"]["a"] = ["|O", [len(payload) // 8]]
        parts["manifest.npy"] = npy(np.frombuffer(
            json.dumps(manifest).encode(), "uint8"))
    rewritten(path, smuggle)
    with pytest.raises(ValueError, match="is of object, not of numbers"):
        load(path)
    assert capsys.readouterr().out == ""


def test_a_file_that_unpacks_to_more_is_refused(path):
    rewritten(path, lambda parts: parts.update(
        {"a.npy": npy(np.zeros(10 ** 7))}), zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(ValueError, match="a part is compressed"):
        load(path)
    assert tracemalloc.get_traced_memory()[1] < 2 ** 20
    tracemalloc.stop()


def test_a_part_that_is_there_twice_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(
            UserWarning, match="Duplicate name"):
        archive.writestr("a.npy", npy(ARRAYS["a"]))
    with pytest.raises(ValueError, match="a.npy is there twice"):
        load(path)


def test_parts_that_overlap_are_refused(tmp_path):
    """One part lies within another: a few such can claim any size."""
    inner = zipped({"b.npy": npy(np.zeros(100_000, "uint8"))})
    part, entry = inner.split(b"PK\1\2")
    outer = zipped({"a.npy": npy(np.frombuffer(part, "uint8"))})
    start, end = outer.index(b"PK\1\2"), outer.index(b"PK\5\6")
    entry = bytearray(b"PK\1\2" + entry[:entry.index(b"PK\5\6")])
    entry[42:46] = outer.index(part).to_bytes(4, "little")        # its place
    entries, last = outer[start:end] + entry, bytearray(outer[end:])
    last[8:12] = 2 * (2).to_bytes(2, "little")
    last[12:16] = len(entries).to_bytes(4, "little")
    (tmp_path / "c.npz").write_bytes(outer[:start] + entries + last)
    with zipfile.ZipFile(tmp_path / "c.npz") as archive:
        assert archive.namelist() == ["a.npy", "b.npy"]
    for read in load, read_file:         # newer versions of zipfile see it
        with pytest.raises(ValueError, match="larger than the whole|Overlap"):
            read(tmp_path / "c.npz")


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    with pytest.raises(OSError) as caught:
        load(tmp_path)
    assert str(caught.value.filename) == str(tmp_path)


# ---- anybody's files -------------------------------------------------------

def test_any_arrays_are_read(tmp_path):
    arrays = {"f": np.asfortranarray(ARRAYS["a"]), "b": np.eye(3, dtype=bool),
              "swapped": np.arange(3, dtype=">i4"),
              "names": np.array(["boot", "bag"])}
    for write in np.savez, np.savez_compressed:
        write(tmp_path / "a.npz", **arrays)
        back = read_file(str(tmp_path / "a.npz"))
        assert back.keys() == arrays.keys()
        for name, a in arrays.items():
            np.testing.assert_array_equal(back[name], a)
    np.save(tmp_path / "a.npy", arrays["f"])
    np.testing.assert_array_equal(read_file(tmp_path / "a.npy")["images"],
                                  arrays["f"])


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_no_damage_to_anybodys_file_raises_anything_else(tmp_path, write):
    path = tmp_path / "a.npz"
    write(path, **ARRAYS)
    good, rng = path.read_bytes(), np.random.default_rng(1)

    def right(arrays):               # there is no checksum; so: whole arrays
        return all(a.nbytes < 2 ** 26 and a.dtype.kind in npz.KINDS
                   for a in arrays.values())
    assert try_all(damages(good, rng, 100), path, read_file, right) > 500
    assert try_all(archives(good), path, read_file, right) > 200
    path = tmp_path / "a.npy"
    assert try_all(headers(), path, read_file, right) > 100


def test_a_file_of_python_2_is_read_without_a_word(tmp_path):
    header = next(content for content in headers() if b"(6L,)" in content)
    (tmp_path / "a.npy").write_bytes(header)
    assert read_file(tmp_path / "a.npy")["images"].tolist() == [0] * 6


@pytest.mark.parametrize("parts", [1, 2])
def test_compressed_arrays_may_not_take_too_much_together(
        tmp_path, monkeypatch, parts):
    monkeypatch.setattr(npz, "LARGEST", parts * 1128 - 1)
    np.savez_compressed(tmp_path / "a.npz", *parts * [np.zeros(125)])
    with pytest.raises(ValueError, match="a.npz cannot be read as an .npz "
                       rf"file of numbers .* up to arr_{parts - 1}.npy would "
                       "take 0.0 GB.; write it again"):
        read_file(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", *parts * [np.zeros(125)])     # what is there
    assert len(read_file(tmp_path / "a.npz")) == parts


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_that_zipfile_would_inflate_at_once(tmp_path, way):
    content = zipped({"a.npy": npy(np.zeros(2 ** 24, "u1"))}, way)
    (tmp_path / "a.npz").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match="in another way than NumPy's"):
        read_file(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 2 ** 20
    tracemalloc.stop()


def test_what_cannot_be_opened_gets_a_sentence(tmp_path):
    for path in tmp_path / "none.npz", tmp_path:
        with pytest.raises(ValueError, match="cannot be opened .*; name a"):
            read_file(path)


# ---- a disk's faults -------------------------------------------------------

def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def no_rights(path, *args):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def a_disk(how, write=io.FileIO.write):
    """Return an open() for a disk that fails like this."""
    class File(io.FileIO):
        def write(self, content):
            if how == "full":
                write(self, content[:9])
                no_space()
            return write(self, b"?" + content[1:])

        def flush(self):
            if how == "full at last":
                no_space()

    return File


@pytest.mark.parametrize("owner, name, fault, message", [
    (files, "open", a_disk("full"), "No space left"),
    (files, "open", a_disk("full at last"), "No space left"),
    (files, "open", a_disk("bad"), "the disk gave back something else"),
    (files, "open", no_rights, "Permission denied"),
    (os, "fsync", no_space, "No space left"),
    (Path, "read_bytes", no_space, "No space left"),
    (Path, "replace", no_rights, "Permission denied")])
def test_a_failed_save_says_so_and_loses_nothing(path, monkeypatch, owner,
                                                 name, fault, message):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fault, raising=False)
        with pytest.raises(OSError, match=message) as caught:
            save(path, ARRAYS, STATE | {"x": 2})
    assert caught.value.filename == str(path)               # not the part
    assert caught.value.filename2 is None
    assert same(load(path))
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]


def test_no_folder_a_file_for_one_and_a_folder_for_a_file(path):
    (path.parent / "folder").mkdir()
    for bad in (path.parent / "none" / "c.npz", path / "c.npz",
                path.parent / "folder"):
        with pytest.raises(OSError) as caught:
            save(str(bad), ARRAYS, STATE)
        assert caught.value.filename == str(bad)
        assert caught.value.filename2 is None
    assert sorted(p.name for p in path.parent.iterdir()) == ["c.npz",
                                                             "folder"]


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_kill_at_any_moment_leaves_a_good_file(path):
    def save_for_ever(done):
        for i in itertools.count():
            save(path, ARRAYS, STATE | {"i": i})
            done.value = i
    context, rng = multiprocessing.get_context("fork"), np.random.default_rng(
        0)
    for _ in range(100):
        done = context.RawValue("q", -1)    # a lock would be killed, too
        process = context.Process(target=save_for_ever, args=(done,))
        process.start()
        time.sleep(0.03 * rng.random())
        process.kill()
        process.join()
        _, state = load(path)
        assert done.value == -1 or state["i"] in (done.value, done.value + 1)


def test_it_is_on_the_disk_before_it_takes_the_old_name(path, monkeypatch):
    events = []

    def note(owner, name):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: (
            events.append(name), real(*args))[1])
    note(os, "fsync"), note(Path, "read_bytes"), note(Path, "replace")
    save(path, ARRAYS, STATE)
    assert events == ["fsync", "read_bytes", "replace"]
