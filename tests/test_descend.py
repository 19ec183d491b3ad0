"""Training of the relatives: every place once an epoch, a rate that falls."""
import numpy as np
import pytest

from minivae.beyond.descend import descend


def run(steps, N=10, batch_size=3, loss=0.0, seed=0, **settings):
    """Descend with constant gradients; return the batches and the path."""
    params, batches, path = {"w": np.zeros(1)}, [], []

    def loss_and_grads(places):
        batches.append(places.copy())
        path.append(params["w"][0])
        return np.float64(loss), {"w": np.ones(1)}
    descend(params, loss_and_grads, N, steps, batch_size=batch_size, rng=seed,
            **settings)
    return batches, np.diff([*path, params["w"][0]])


def test_all_places_come_once_in_an_epoch_and_in_another_order_each():
    batches, _ = run(6, N=9)
    assert {len(batch) for batch in batches} == {3}
    epochs = np.concatenate(batches).reshape(2, 9)
    assert (np.sort(epochs, axis=1) == np.arange(9)).all()
    assert (epochs[0] != epochs[1]).any()


def test_the_order_follows_the_seed():
    first, again, other = (np.concatenate(run(3, seed=s)[0])
                           for s in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_the_rate_falls_to_0():
    # Adam's step along a constant gradient is the rate
    _, steps = run(4, learning_rate=0.4)
    np.testing.assert_allclose(-steps, [0.4, 0.3, 0.2, 0.1], rtol=1e-5)


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_ends_it(loss):
    with pytest.raises(FloatingPointError, match="at step 1 the loss is .*"
                       "try a learning rate below 0.002"):
        run(3, loss=loss)


def test_a_batch_larger_than_all_is_refused():
    with pytest.raises(ValueError, match="batch"):
        run(1, N=2)
