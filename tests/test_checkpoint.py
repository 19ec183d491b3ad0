"""A run goes on from its checkpoint as if it had never stopped."""
import signal

import numpy as np
import pytest
from test_npz import damages, try_all

from minivae import Adam, conv_vae, save_model
from minivae.extras.runs.checkpoint import (Progress, Stop, load, restore_run,
                                            save_run)
from minivae.train import epoch, train_step


# ---- the file --------------------------------------------------------------

@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run's checkpoint, and what is in it."""
    path = tmp_path_factory.mktemp("run") / "checkpoint.npz"
    run = new_run()
    train(*run, Progress(), stop_at=3)
    save_run(path, *run, Progress(batch=3), [b"a picture"])
    return path.read_bytes(), load(str(path))


def equal(one, other):
    return one[1] == other[1] and one[0].keys() == other[0].keys() and all(
        a.tobytes() == other[0][name].tobytes() and a.shape == other[0][
            name].shape and a.dtype == other[0][name].dtype
        for name, a in one[0].items())


def test_damage_is_seen_or_changes_nothing(real, tmp_path):
    (good, want), path = real, tmp_path / "c.npz"

    def right(loaded):
        return equal(loaded, want)
    rng = np.random.default_rng(0)
    assert try_all(damages(good, rng, 100), path, load, right) > 600


def test_a_changed_byte_is_seen_or_changes_nothing(real, tmp_path):
    (good, want), rng = real, np.random.default_rng(0)

    def changed():
        for i in rng.choice(len(good), 1000, replace=False):
            bad = bytearray(good)
            bad[i] ^= rng.integers(1, 256)
            yield bytes(bad)
    refused = try_all(changed(), tmp_path / "c.npz", load,
                      lambda loaded: equal(loaded, want))
    assert refused > 600                   # the rest is zip's own book-keeping


def test_a_real_checkpoint_that_was_cut_is_refused(real, tmp_path):
    good, _ = real
    for length in range(0, len(good), 29):
        (tmp_path / "c.npz").write_bytes(good[:length])
        with pytest.raises(ValueError, match="or damaged"):
            load(tmp_path / "c.npz")


def test_another_kind_of_file_gets_the_sentence(tmp_path):
    np.savez(tmp_path / "other.npz", w=np.zeros(3))
    (tmp_path / "text").write_text("hello")
    save_model(tmp_path / "model.npz", conv_vae((8, 8, 1), filters=2),
               (8, 8, 1))
    for name, reason in (("other.npz", "it has no manifest"),
                         ("text", "File is not a zip file"),
                         ("model.npz", "it is a model, from which no run can "
                          "be resumed")):
        with pytest.raises(ValueError, match=f"{name} is not a checkpoint of "
                           f"minivae, or damaged .{reason}.*; take another "
                           "copy, or start the run anew, without --resume"):
            load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


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
        for x, eps in progress.rest(
                epoch(vae, images(), 10, rng), rng):
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
    for name in "params", "m", "v":
        for key, a in getattr(run[1], name).items():
            np.testing.assert_array_equal(a, getattr(whole[1], name)[key])
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
    rest = Progress().rest(epoch(vae, images(), 10, rng), rng)
    for pair, same in zip(rest, epoch(vae, images(), 10, other), strict=True):
        np.testing.assert_array_equal(pair[0], same[0])
        np.testing.assert_array_equal(pair[1], same[1])
    assert rng.bit_generator.state == other.bit_generator.state


def test_what_is_not_finite_is_not_saved(real, tmp_path):
    (good, _), path = real, tmp_path / "c.npz"
    path.write_bytes(good)
    vae, adam, rng = new_run()
    vae.params["decoder.0.w"][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="decoder.0.w is no longer"):
        save_run(path, vae, adam, rng, Progress(), [])
    assert path.read_bytes() == good


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
