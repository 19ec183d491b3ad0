"""A model comes back bit by bit, or one sentence says why it cannot."""
import errno
import hashlib
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from test_npz import archives, damages, npy, parts_of, peak, try_all, zipped

import minivae
from minivae import (VAE, Conv2DTranspose, Sequential, Sigmoid, conv_vae,
                     load_model, load_pretrained, save_model)
from minivae.data import load_fashion_mnist, load_mnist
from minivae.extras.runs import model_file, npz
from minivae.extras.runs.checkpoint import Progress, save_run
from minivae.optim import Adam
from minivae.train import evaluate

from common.models import find_model

SHAPE = 8, 8, 1
# SHA-256 of all parameters, one after the other, as training left them
BITS = {"fashion": "6c67d63ea7330ada2290f25d6dab7307"
                   "a394bb5ffbfb229fa393397a310db9f9",
        "mnist": "2255ccdf0e460a3b5eff063af3dbf75a"
                 "e1ccd79c72ca3bdc5caa6a455da68218"}


@pytest.fixture
def path(tmp_path):
    save_model(tmp_path / "model.npz", small(), SHAPE)
    return tmp_path / "model.npz"


def small(**settings):
    return conv_vae(SHAPE, filters=2, rng=0, **settings)


def same(one, other):
    return one.likelihood == other.likelihood and [
        (name, p.dtype, p.shape, p.tobytes())
        for name, p in one.params.items()] == [
        (name, p.dtype, p.shape, p.tobytes())
        for name, p in other.params.items()]


@pytest.mark.parametrize("shape, latent_dim, likelihood, dtype", [
    ((28, 28, 1), 2, "bernoulli", "float32"),
    ((8, 12, 3), 5, "continuous", "float32"),
    (SHAPE, 1, "bernoulli", "float64")])
def test_a_model_comes_back_as_it_was(tmp_path, shape, latent_dim,
                                      likelihood, dtype):
    vae = conv_vae(shape, latent_dim, filters=4, likelihood=likelihood,
                   dtype=dtype)
    path = str(tmp_path / "model.npz")
    save_model(path, vae, shape)
    back = load_model(path)
    assert same(back, vae)
    z = np.ones((1, latent_dim), dtype)
    np.testing.assert_array_equal(back.decode(z, True), vae.decode(z, True))
    assert same(load_model(tmp_path), vae)            # the folder does as well


# ---- the models that ship with minivae -------------------------------------

@pytest.mark.parametrize("name", BITS)
def test_the_pretrained_models_are_those_of_their_runs(name):
    sha = hashlib.sha256()
    for p in load_pretrained(name).params.values():
        sha.update(p)
    assert sha.hexdigest() == BITS[name]


@pytest.mark.parametrize("name, load, elbo", [
    ("fashion", load_fashion_mnist, -182.6), ("mnist", load_mnist, -149.0)])
def test_the_pretrained_models_are_as_good_as_their_runs(name, load, elbo):
    vae, images = load_pretrained(name), load().test_images
    assert {p.dtype for p in vae.params.values()} == {np.dtype("float32")}
    reconstruction, kl = evaluate(vae, images, vae.noise(len(images), 0))
    # the noise moves the mean over 10,000 images by about 0.03
    assert reconstruction - kl == pytest.approx(elbo, abs=0.1)


def test_there_are_two_pretrained_models():
    with pytest.raises(ValueError, match="no pretrained model 'cifar'; there "
                       "are 'fashion' and 'mnist'"):
        load_pretrained("cifar")


@pytest.mark.parametrize("content, reason", [
    (None, "No such file"), (b"hello", "File is not a zip file")])
def test_a_damaged_installation_is_said(tmp_path, monkeypatch, content,
                                        reason):
    monkeypatch.setattr(model_file, "DATASETS", tmp_path)
    if content:
        (tmp_path / "mnist_model.npz").write_bytes(content)
    with pytest.raises(ValueError, match="mnist_model.npz, which ships with "
                       f"minivae, is missing or damaged .*{reason}.*; restore "
                       "it with pip install --force-reinstall minivae"):
        load_pretrained("mnist")


def test_importing_minivae_starts_nothing():
    code = ("import sys, minivae; print([name for name in ('multiprocessing',"
            " 'mpi4py', 'matplotlib', 'PIL', 'tqdm', 'argparse') if name in "
            "sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], check=True,
                          capture_output=True, text=True)
    assert done.stdout == "[]\n"


# ---- what cannot be saved --------------------------------------------------

def other_strides():
    vae = small()
    vae.decoder.layers[-1] = Conv2DTranspose(2, 1, 3, strides=2,
                                             padding="same")
    return vae


def another_activation():
    vae = small()
    return VAE(vae.encoder, Sequential(vae.decoder.layers[:1] + [Sigmoid()]
                                       + vae.decoder.layers[2:]))


def shorter():
    return VAE(small().encoder, Sequential(small().decoder.layers[:-1]))


def another_relu():
    class ReLU(minivae.ReLU):                    # it is called as that one is
        def forward(self, x):
            return super().forward(x) + 1
    vae = small()
    vae.decoder.layers[1] = ReLU()
    return vae


def another_vae():
    class Mine(VAE):
        def decode(self, z, apply_sigmoid=False):
            return -super().decode(z, apply_sigmoid)
    return Mine(small().encoder, small().decoder)


def another_likelihood():
    vae = small()
    vae.log_p_x = lambda x, logits: (x.sum(axis=(1, 2, 3)), x)
    return vae


def with_a_nan():
    vae = small()
    vae.params["decoder.3.b"][1] = np.nan
    return vae


@pytest.mark.parametrize("make, shape, reason", [
    (small, (16, 8, 1), r"for images of \(16, 8, 1\)|too few"),
    (small, (8, 8), "its image_shape is .8, 8., but three sizes"),
    (shorter, SHAPE, "its parameters have other names or shapes than those"),
    (other_strides, SHAPE, "its decoder has other layers than"),
    (another_activation, SHAPE, "its decoder has other layers than"),
    (another_relu, SHAPE, "its decoder has other layers than"),
    (another_vae, SHAPE, "it is a Mine of your own, or"),
    (another_likelihood, SHAPE, "or with a likelihood of your own"),
    (with_a_nan, SHAPE, "its parameter decoder.3.b is not finite")])
def test_what_could_not_be_loaded_is_not_saved(tmp_path, make, shape, reason):
    with pytest.raises(ValueError, match="save_model: load_model would refuse "
                       f"this network .*{reason}"):
        save_model(tmp_path / "model.npz", make(), shape)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_model(path, monkeypatch):
    before = path.read_bytes()

    def no_space(number):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left") as caught:
        save_model(path, small(), SHAPE)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before


# ---- what cannot be loaded -------------------------------------------------

def test_no_model(tmp_path):
    for given in tmp_path / "none.npz", tmp_path:            # an empty folder
        with pytest.raises(FileNotFoundError, match="there is no such model; "
                           "train one with demos/train_fashion.py") as caught:
            load_model(given)
        assert caught.value.filename.endswith(".npz")


def test_files_of_another_kind(path):
    vae, rng = small(), np.random.default_rng(0)
    np.savez(path.with_name("other.npz"), w=np.zeros(3))
    path.with_name("text.npz").write_text("hello")
    path.with_name("empty.npz").write_bytes(b"")
    save_run(path.with_name("checkpoint.npz"), vae, Adam(vae.params), rng,
             Progress(), [])
    for name, reason in (
            ("other.npz", "it has no manifest"),
            ("text.npz", "File is not a zip file"),
            ("empty.npz", "File is not a zip file"),
            ("checkpoint.npz", "it is a run's checkpoint, and its model is "
             "the model.npz beside it")):
        with pytest.raises(ValueError, match=f"{name} is not a model of "
                           f"minivae, or damaged .{reason}.*; take another "
                           "copy, or train one with demos/train_fashion.py"):
            load_model(path.with_name(name))


def test_damage_is_seen_or_changes_nothing(path):
    good, vae = path.read_bytes(), small()

    def right(loaded):
        return same(loaded, vae)
    rng = np.random.default_rng(0)
    assert try_all(damages(good, rng, 300), path, load_model, right) > 2000
    assert try_all(archives(good), path, load_model, right) > 300


def forged(change):
    """Parameters and all else of a model, changed; its checksum is right."""
    params = {name: p.copy() for name, p in small().params.items()}
    about = {"kind": "model", "image_shape": list(SHAPE),
             "likelihood": "bernoulli"}
    change(params, about)
    return params, about


def cast(dtype):
    def change(params, about):
        for name, p in params.items():
            params[name] = p.astype(dtype)
    return change


def sizes(**claims):
    """Let a model claim sizes, with parameters that take nothing."""
    def change(params, about):
        D, F = claims.get("D", 2), claims.get("F", 2)
        params["encoder.0.b"] = np.zeros(F, "float32")
        params["encoder.5.b"] = np.zeros(2 * D, "float32")
        params["decoder.0.w"] = np.zeros((D, 0), "float32")
        params["encoder.2.w"] = np.zeros((3, 3, F, 0), "float32")
        about["image_shape"] = claims.get("shape", list(SHAPE))
    return change


@pytest.mark.parametrize("change, reason", [
    (cast("complex64"), "its parameters are complex64, but all float32 or"),
    (cast("float16"), "its parameters are float16, but"),
    (cast("int32"), "its parameters are int32, but"),
    (cast("bool"), "its parameters are bool, but"),
    (cast("U9"), "its parameters are <U9, but"),
    (lambda params, about: params.update({"encoder.0.b": params[
        "encoder.0.b"].astype("float64")}), "are float32, float64, but all"),
    (lambda params, about: params["decoder.0.w"].fill(np.inf),
     "its parameter decoder.0.w is not finite"),
    (lambda params, about: params["encoder.2.b"].fill(np.nan),
     "its parameter encoder.2.b is not finite"),
    (lambda params, about: params.clear(), "no parameter encoder.0.b"),
    (lambda params, about: params.pop("encoder.0.b"), "no parameter enco"),
    (lambda params, about: params.pop("decoder.7.b"), "other names or shapes"),
    (lambda params, about: params.update(x=np.zeros(3, "float32")),
     "other names or shapes"),
    (lambda params, about: params.update({"encoder.0.b": np.float32(3)}),
     "other names or shapes"),
    (lambda params, about: params.update({"encoder.0.w": params[
        "encoder.0.w"].swapaxes(2, 3)}), "other names or shapes"),
    (lambda params, about: params.update({"encoder.5.b": np.zeros(
        0, "float32")}), "latent_dim is 0"),
    (sizes(D=2000, F=40_000), "too few"),
    (sizes(D=20_000), "too few"), (sizes(F=10_000), "too few"),
    (sizes(shape=[8, 8, 10 ** 9]), "too few"),
    (sizes(shape=[4 * 10 ** 9, 8, 1]), "too few"),
    (sizes(shape=[8, -8, 1]), "width is -8"),
    (sizes(shape=[8, 8]), "its image_shape is .8, 8., but three sizes"),
    (sizes(shape=[8.0, 8, 1]), "its image_shape is .8.0, 8, 1., but"),
    (sizes(shape=[True, 8, 1]), "its image_shape is .True, 8, 1., but"),
    (sizes(shape=["8", 8, 1]), "its image_shape is"),
    (sizes(shape=None), "its image_shape is None"),
    (sizes(shape=8), "its image_shape is 8"),
    (lambda params, about: about.pop("image_shape"), "image_shape is None"),
    (lambda params, about: about.pop("likelihood"), "likelihood is 'None'"),
    (lambda params, about: about.update(likelihood=["?"]), "likelihood is"),
    (lambda params, about: about.update(kind="checkpoint"), "a run's check"),
    (lambda params, about: about.clear(), "a run's check")])
def test_a_model_that_is_none_is_refused_whatever_its_checksum(
        path, change, reason):
    npz.save(path, *forged(change))
    before = peak()
    with pytest.raises(ValueError, match="model.npz is not a model of minivae"
                       rf", or damaged \(.*{reason}.*\); take") as error:
        load_model(path)
    assert "\n" not in str(error.value)
    assert peak() - before < 50_000                                   # KB


@pytest.mark.parametrize("state", [None, [], [1], "model", 3])
def test_a_manifest_may_say_anything(path, state):
    npz.save(path, forged(lambda *_: None)[0], state)
    with pytest.raises(ValueError, match="is not a model of minivae"):
        load_model(path)


def test_a_model_of_another_machine_is_converted(path):
    params, about = forged(cast(">f4"))
    npz.save(path, params, about)
    assert same(load_model(path), small())


def test_a_compressed_bomb_is_not_inflated(path):
    """Its manifest agrees with it, and its checksum is right: 128 MB."""
    parts = parts_of(path.read_bytes())
    manifest = json.loads(np.frombuffer(parts["manifest.npy"], "u1", offset=(
        parts["manifest.npy"].index(b"\n") + 1)).tobytes())
    manifest["arrays"]["encoder.0.b"] = ["<f4", [2 ** 25]]
    parts["manifest.npy"] = npy(np.frombuffer(json.dumps(manifest).encode(),
                                              "u1"))
    parts["encoder.0.b.npy"] = npy(np.zeros(2 ** 25, "f4"))
    path.write_bytes(zipped(parts, zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 200_000
    code = ("import sys, resource, minivae\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try: minivae.load_model(sys.argv[1])\n"
            "except ValueError as error: assert 'compressed' in str(error)\n"
            "else: raise AssertionError\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss "
            "- before)\n")
    pytest.importorskip("resource")                       # not on Windows
    done = subprocess.run([sys.executable, "-c", code, str(path)],
                          check=True, capture_output=True, text=True)
    assert int(done.stdout) < 20_000                                  # KB


# ---- a model by name -------------------------------------------------------

@pytest.mark.parametrize("name, title, load", [
    ("fashion", "Fashion-MNIST", load_fashion_mnist),
    ("Fashion", "Fashion-MNIST", load_fashion_mnist),
    ("MNIST", "MNIST", load_mnist)])
def test_models_that_ship_are_found_by_name(name, title, load):
    found = find_model(name)
    assert found.title == title
    assert same(found.vae, load_pretrained(name.lower()))
    for a, b in zip(found.load_data(), load(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="there is no model "):
        find_model(tmp_path)
    for read in load_model, npz.load:
        with pytest.raises(OSError, match="it is a pipe"):
            read(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="cannot be opened .it is a pipe"):
        npz.read_file(tmp_path / "model.npz")


def test_a_runs_folder_is_its_model(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    for name in path, str(path), path.parent, str(path.parent), ".":
        found = find_model(name)
        assert same(found.vae, small())
        assert found.title == path.parent.name
        with pytest.raises(ValueError, match="there is no .*checkpoint.npz "
                           "that says what the images were"):
            found.load_data()


def test_what_can_be_named_is_said(tmp_path):
    for name in tmp_path, tmp_path / "model.npz":
        with pytest.raises(ValueError, match="there is no model .*model.npz; "
                           "name a model.npz that a run has saved, its "
                           "folder, or fashion or mnist"):
            find_model(str(name))


def a_run(path, **about):
    vae = small()
    save_run(path, vae, Adam(vae.params), np.random.default_rng(0),
             Progress(), [b"a picture"], **about)


@pytest.mark.parametrize("make, problem", [
    (lambda path: path.write_bytes(b"?"), "is not a checkpoint of minivae, or "
     "damaged"),
    (lambda path: path.mkdir(), "there is no .* that says what the images we"),
    (lambda path: a_run(path), "there is no .* that says what the images were"
     "; copy it there"),
    (lambda path: a_run(path, settings={
        "title": "MNIST", "data_dir": "gone", "download": False,
        "likelihood": "bernoulli", "image_size": None}), "gone does not exi")])
def test_a_model_is_found_whatever_its_checkpoint_is(path, make, problem):
    make(path.with_name("checkpoint.npz"))
    found = find_model(path)
    assert same(found.vae, small())
    with pytest.raises(ValueError, match=problem):
        found.load_data()
