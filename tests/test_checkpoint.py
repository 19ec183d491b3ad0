"""A checkpoint gives back every bit, or one sentence."""
import io
import itertools
import json
import multiprocessing
import os
import pickle
import signal
import time
import zipfile

import numpy as np
import pytest

from minivae import Adam, conv_vae
from minivae.extras import checkpoint
from minivae.extras.checkpoint import (Progress, Stop, load, restore_run, save,
                                       save_run)
from minivae.train import epoch, train_step

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "of none": np.zeros((0, 3)),
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


# ---- the file --------------------------------------------------------------

def test_all_comes_back(path):
    assert same(load(path))
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]
    with np.load(path, allow_pickle=False) as file:    # for any reader
        np.testing.assert_array_equal(file["a"], ARRAYS["a"])


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run's checkpoint, and what is in it."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.npz"
    run = new_run()
    train(*run, Progress(), stop_at=3)
    save_run(path, *run, Progress(batch=3), [b"a picture"])
    return path.read_bytes(), load(path)


def equal(one, other):
    return one[1] == other[1] and one[0].keys() == other[0].keys() and all(
        a.tobytes() == other[0][name].tobytes() and a.shape == other[0][
            name].shape and a.dtype == other[0][name].dtype
        for name, a in one[0].items())


def test_a_changed_byte_is_seen_or_changes_nothing(real, tmp_path):
    (good, want), refused = real, 0
    rng = np.random.default_rng(0)
    for i in rng.choice(len(good), 2500, replace=False):
        bad = bytearray(good)
        bad[i] ^= rng.integers(1, 256)
        (tmp_path / "c.npz").write_bytes(bad)
        try:
            assert equal(load(tmp_path / "c.npz"), want), f"byte {i}"
        except ValueError as error:
            assert "not a checkpoint of minivae, or damaged" in str(error)
            refused += 1
    assert refused > 1500                  # the rest is zip's own book-keeping


def test_a_file_that_was_cut_anywhere_is_refused(path):
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match="or damaged"):
            load(path)


def test_a_real_checkpoint_that_was_cut_is_refused(real, tmp_path):
    good, _ = real
    for length in range(0, len(good), 29):
        (tmp_path / "c.npz").write_bytes(good[:length])
        with pytest.raises(ValueError, match="or damaged"):
            load(tmp_path / "c.npz")


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write the file's parts anew, after change(name -> bytes)."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


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
     "does not fit its size"),
    (lambda parts: claim(parts, "a", (2 ** 33,), False),
     "does not fit its size"),
    (lambda parts: claim(parts, "a", (2 ** 33,), True),
     "does not fit its size"),
    (lambda parts: parts.pop("manifest.npy"), "no item named 'manifest.npy'"),
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
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load(path)
    assert capsys.readouterr().out == ""


def test_a_file_that_unpacks_to_more_is_refused(path):
    rewritten(path, lambda parts: parts.update(
        {"a.npy": npy(np.zeros(10 ** 7))}), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="a part is compressed"):
        load(path)


def test_a_claim_of_64_gib_costs_nothing(path):
    resource = pytest.importorskip("resource")            # not on Windows
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rewritten(path, lambda parts: claim(parts, "a", (2 ** 33,), True))
    with pytest.raises(ValueError):
        load(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 50_000                              # KB


def test_another_kind_of_file_gets_the_sentence(tmp_path):
    np.savez(tmp_path / "model.npz", w=np.zeros(3))
    (tmp_path / "text").write_text("hello")
    for name in "model.npz", "text":
        with pytest.raises(ValueError, match="is not a checkpoint of minivae"):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


class Fault(OSError):
    """What a disk may say."""


def no_space(*args, **kwargs):
    raise Fault(28, "No space left on device")


def other_bytes(file, **arrays):
    savez(file, **(arrays | {"a": arrays["a"] + 1}))


def half(file, **arrays):
    file.write(b"some of it")
    no_space()


def no_rights(*args, **kwargs):
    raise Fault(13, "Permission denied")


def open_to_fail_at_flush(*args):
    class File(io.FileIO):
        flush = no_space
    return File(*args)


savez = np.savez


@pytest.mark.parametrize("owner, name, fault, message", [
    (np, "savez", half, "No space left"),
    (np, "savez", other_bytes, "the disk gave back something else"),
    (checkpoint, "open", no_rights, "Permission denied"),
    (checkpoint, "open", open_to_fail_at_flush, "No space left"),
    (os, "fsync", no_space, "No space left"),
    (checkpoint, "load", no_space, "No space left"),
    (type(checkpoint.Path()), "replace", no_space, "No space left"),
    (checkpoint, "_sync_folder", no_space, "No space left")])
def test_a_failed_save_says_so_and_loses_nothing(path, monkeypatch, owner,
                                                 name, fault, message):
    monkeypatch.setattr(owner, name, fault, raising=False)
    with pytest.raises(OSError, match=message):
        save(path, ARRAYS, STATE | {"x": 2})
    monkeypatch.undo()
    _, state = load(path)
    assert state["x"] == (2 if name == "_sync_folder" else STATE["x"])
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]


def test_a_folder_without_rights_is_said(tmp_path):
    with pytest.raises(OSError):
        save(tmp_path / "none" / "c.npz", ARRAYS, STATE)


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
    for name in "fsync", "replace":
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (
            events.append(name), real(*args))[1])
    real_load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda path: (
        events.append("read"), real_load(path))[1])
    save(path, ARRAYS, STATE)
    assert events[:2] == ["fsync", "read"]


# ---- a run -----------------------------------------------------------------

def images(N=37):
    return np.random.default_rng(5).integers(0, 2, (N, 8, 8, 1), bool)


def new_run():
    rng = np.random.default_rng(3)
    vae = conv_vae((8, 8, 1), filters=2, rng=rng)
    return vae, Adam(vae.params), rng


def train(vae, adam, rng, progress, stop_at=None):
    """Train for two epochs of 4 batches, or until stop_at steps; losses."""
    losses = []
    while progress.epoch <= 2:
        for x, eps in progress.batches(vae, images(), 10, rng):
            losses.append(train_step(vae, adam, x, eps))
            progress.batch += 1
            if adam.t == stop_at:
                if stop_at == 4:         # in one case, between two epochs
                    progress.next_epoch()
                return losses
        progress.next_epoch()
    return losses


@pytest.mark.parametrize("stop_at", range(1, 9))
def test_a_stop_at_any_batch_changes_nothing(tmp_path, stop_at):
    whole, path = new_run(), tmp_path / "c.npz"
    losses = train(*whole, Progress())

    run, progress = new_run(), Progress(log=[{"epoch": 1, "test_elbo": -0.1}])
    before = train(*run, progress, stop_at)
    frames = [bytes([i, i]) for i in range(12)]
    save_run(path, *run, progress, frames, settings={"seed": 3})

    run = new_run()
    arrays, state = load(path)
    progress, its_frames = restore_run(arrays, state, *run)
    assert before + train(*run, progress) == losses
    for mine, other in zip(run[:2], whole[:2]):
        for name, a in vars(mine).items():
            if isinstance(a, dict):                  # params, m and v
                for key in a:
                    np.testing.assert_array_equal(a[key],
                                                  getattr(other, name)[key])
    for name, p in run[0].params.items():
        np.testing.assert_array_equal(p, whole[0].params[name])
    assert run[1].t == 8
    assert run[2].bit_generator.state == whole[2].bit_generator.state
    assert progress.log == [{"epoch": 1, "test_elbo": -0.1}]
    assert state["settings"] == {"seed": 3}
    assert its_frames == frames


def test_an_uninterrupted_epoch_is_epoch_itself():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    vae, _, _ = new_run()
    for pair, same in zip(Progress().batches(vae, images(), 10, rng),
                          epoch(vae, images(), 10, other), strict=True):
        np.testing.assert_array_equal(pair[0], same[0])
        np.testing.assert_array_equal(pair[1], same[1])
    assert rng.bit_generator.state == other.bit_generator.state


def test_what_is_not_finite_is_not_saved(path):
    vae, adam, rng = new_run()
    vae.params["decoder.0.w"][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="decoder.0.w is no longer"):
        save_run(path, vae, adam, rng, Progress(), [])
    assert same(load(path))


def test_another_networks_run_is_refused(tmp_path):
    vae, adam, rng = new_run()
    save_run(tmp_path / "c.npz", vae, adam, rng, Progress(), [])
    vae = conv_vae((8, 8, 1), latent_dim=3, filters=2)
    before = {name: p.copy() for name, p in vae.params.items()}
    with pytest.raises(ValueError, match="of a run of another network"):
        restore_run(*load(tmp_path / "c.npz"), vae, Adam(vae.params), rng)
    for name, p in vae.params.items():
        np.testing.assert_array_equal(p, before[name])


# ---- being stopped ---------------------------------------------------------

@pytest.mark.parametrize("number, name", [(signal.SIGINT, "Ctrl-C"),
                                          (signal.SIGTERM, "SIGTERM")])
def test_a_signal_is_noted_and_no_more(number, name):
    before = signal.getsignal(number)
    with Stop() as stop:
        assert not stop.asked
        for _ in range(2):                   # the second does no harm either
            signal.raise_signal(number)
        assert stop.asked == name
    assert signal.getsignal(number) == before
