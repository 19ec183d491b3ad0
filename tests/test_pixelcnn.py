"""A PixelCNN is a distribution: causal, normalised, and sampled from."""
import itertools

import numpy as np
import pytest

from minivae import check_function
from minivae.beyond.categorical import one_hot
from minivae.beyond.pixelcnn import (PixelCNN, load_pixelcnn, pixel_cnn,
                                     reach_of)


@pytest.fixture
def net():
    return PixelCNN(3, 4, blocks=2, reach=5, rng=0, dtype="float64")


@pytest.fixture
def told():
    """A net that is told a condition."""
    return PixelCNN(3, 4, blocks=2, reach=5, conditional=True, rng=0,
                    dtype="float64")


def condition(*shape):
    return np.random.default_rng(9).standard_normal((*shape, 4))


def every_image(K, height, width):
    """All images of K codes: (K ** (height * width), height, width)."""
    return np.array(list(itertools.product(
        range(K), repeat=height * width))).reshape(-1, height, width)


def test_no_output_moves_when_its_own_or_a_later_input_does(net):
    rng = np.random.default_rng(0)
    shape = 1, 5, 6, 3
    x = rng.standard_normal(shape)
    before = net.forward(x).copy()
    for i, j in np.ndindex(shape[1:3]):
        changed = x.copy()
        changed[:, i, j] += rng.standard_normal(3)
        moved = (net.forward(changed) != before).any(axis=(0, 3)).ravel()
        assert not moved[:i * 6 + j + 1].any()
        # and the next place always notices, but for the next row's first
        assert j == 5 or moved[i * 6 + j + 1]


def test_given_a_condition_it_is_as_causal(told):
    rng = np.random.default_rng(0)
    codes, given = rng.integers(3, size=(1, 4, 5)), condition(1, 4, 5)
    before = told.logits(codes, given).copy()
    for i, j in np.ndindex(4, 5):
        changed = codes.copy()
        changed[:, i, j] = (codes[:, i, j] + 1) % 3
        moved = (told.logits(changed, given) != before).any(
            axis=(0, 3)).ravel()
        assert not moved[:i * 5 + j + 1].any()
        # but a condition may be known at its own place
        changed = given.copy()
        changed[:, i, j] += 1
        assert (told.logits(codes, changed) != before)[0, i, j].any()


def test_its_probabilities_add_up_to_1(net):
    p = np.exp(net.log_prob(every_image(3, 2, 3)))
    assert p.min() > 0 and abs(p.sum() - 1) < 1e-12


def test_given_any_condition_they_add_up_to_1(told):
    images, sums = every_image(3, 2, 2), []
    for given in condition(3, 1, 2, 2):
        p = np.exp(told.log_prob(images, given.repeat(81, axis=0)))
        assert abs(p.sum() - 1) < 1e-12
        sums.append(p)
    assert abs(sums[0] - sums[1]).max() > 1e-3         # and it matters which


def test_log_prob_is_the_chain_rule(net):
    codes = every_image(3, 2, 2)[[7, 50]]
    # one factor after another, the rest of the image left at 0
    want = np.zeros(2)
    for place in range(4):
        known = codes.reshape(2, 4).copy()
        known[:, place:] = 0
        logits = net.forward(one_hot(known.reshape(2, 2, 2), 3, "float64"))
        logits = logits.reshape(2, 4, 3)[:, place]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        want += np.log(p[[0, 1], codes.reshape(2, 4)[:, place]])
    np.testing.assert_allclose(net.log_prob(codes), want, rtol=1e-12)


def test_samples_have_their_probabilities(net):
    n = 40_000
    p = np.exp(net.log_prob(every_image(3, 2, 2)))
    drawn = net.sample(n, 2, 2, rng=0).reshape(n, 4) @ [27, 9, 3, 1]
    count = np.bincount(drawn, minlength=81)
    # Pearson's χ², with 80 degrees of freedom: mean 80, deviation √160
    assert ((count - n * p) ** 2 / (n * p)).sum() < 80 + 4 * 160 ** 0.5


def part_by_part(network, x, size):
    """The logits of x (N, 6, 5, ...), so many columns at a time."""
    inputs, logits = [x], np.empty((len(x), 6, 5, 3))
    for r in range(6):
        for c in range(0, 5, size):
            logits[:, r, c:c + size] = network._compute(inputs, r, c, c + size)
    return logits


@pytest.mark.parametrize("size", [1, 5], ids=["place by place", "by row"])
def test_part_by_part_is_the_same_as_all_at_once(net, told, size):
    codes, given = net.sample(3, 6, 5, rng=1), condition(3, 6, 5)
    x = one_hot(codes, 3, "float64")
    np.testing.assert_allclose(part_by_part(net, x, size), net.logits(codes),
                               rtol=1e-10, atol=1e-12)
    x = np.concatenate([x, given], axis=-1)
    np.testing.assert_allclose(part_by_part(told, x, size), told.logits(
        codes, given), rtol=1e-10, atol=1e-12)


def test_given_another_condition_other_codes_are_drawn(told):
    given = condition(3, 6, 5)
    assert (told.sample(3, 6, 5, rng=1, condition=given)
            != told.sample(3, 6, 5, rng=1, condition=-given)).any()


def test_it_can_be_told_where_a_place_is():
    net = PixelCNN(3, 4, 1, reach=3, places=True, rng=0, dtype="float64")
    codes = np.zeros((2, 6, 5), int)
    x, logits = net._input(codes, None), net.logits(codes)
    np.testing.assert_array_equal(x[..., :3], one_hot(codes, 3, "float64"))
    for n, i, j in np.ndindex(2, 6, 5):
        np.testing.assert_allclose(x[n, i, j, 3:], [i / 2.5 - 1, j / 2 - 1])
    # so rows that see the same codes, and no border, differ
    assert abs(logits[0, 4, 2] - logits[0, 5, 2]).max() > 1e-3
    # and it remains a distribution, place by place the same
    p = np.exp(net.log_prob(every_image(3, 2, 3)))
    assert abs(p.sum() - 1) < 1e-12
    np.testing.assert_allclose(part_by_part(net, x, 1), logits, 1e-10, 1e-12)


def test_samples_given_a_condition_have_their_probabilities(told):
    n, given = 40_000, condition(1, 2, 2)
    p = np.exp(told.log_prob(every_image(3, 2, 2), given.repeat(81, axis=0)))
    drawn = told.sample(n, 2, 2, rng=0, condition=given.repeat(n, axis=0))
    count = np.bincount(drawn.reshape(n, 4) @ [27, 9, 3, 1], minlength=81)
    assert ((count - n * p) ** 2 / (n * p)).sum() < 80 + 4 * 160 ** 0.5


def test_known_rows_stay_and_the_rest_is_drawn_given_them(net):
    n, known = 40_000, np.array([[[2, 0]]])
    drawn = net.sample(n, 2, 2, rng=1, known=known.repeat(n, axis=0))
    assert (drawn[:, :1] == known).all()
    images = every_image(3, 2, 2)
    images = images[(images[:, :1] == known).all(axis=(1, 2))]
    p = np.exp(net.log_prob(images))
    count = np.bincount(drawn[:, 1] @ [3, 1], minlength=9)
    p *= n / p.sum()
    assert ((count - p) ** 2 / p).sum() < 8 + 4 * 16 ** 0.5    # χ², as above


def test_reach_of(net, told):
    for either in net, told:
        assert list(map(reach_of, either.layers)) == [2, 1, 1, 0]


def test_gradients_of_its_loss(net, prove):
    codes = np.random.default_rng(0).integers(3, size=(2, 3, 4))
    loss, grads = net.loss_and_grads(codes)
    assert loss == pytest.approx(-net.log_prob(codes).mean())
    prove(check_function(
        "PixelCNN", lambda: -net.log_prob(codes).mean(), 1.0,
        {name: (p, grads[name].copy()) for name, p in net.params.items()},
        verbose=False))


def test_samples_follow_the_seed(net):
    first, again, other = (net.sample(2, 4, 4, rng=s) for s in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_a_condition_that_does_not_fit_is_refused(net, told):
    codes = np.zeros((1, 2, 2), int)
    with pytest.raises(ValueError, match="but .N, H, W, 7. was expected"):
        told.log_prob(codes)
    with pytest.raises(ValueError, match="but .N, H, W, 3. was expected"):
        net.log_prob(codes, condition(1, 2, 2))


def test_what_is_no_code_is_refused(net):
    with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
        net.log_prob(np.full((1, 2, 2), 3))
    with pytest.raises(ValueError, match=r"shape \(1, 2, 2, 1\), but \(N, H"):
        net.log_prob(np.zeros((1, 2, 2, 1), int))
    with pytest.raises(ValueError, match="PixelCNN: the batch has no image"):
        net.loss_and_grads(np.zeros((0, 2, 2), int))
    for size in "K", "filters", "blocks":
        with pytest.raises(ValueError, match=f"PixelCNN: {size} is 0"):
            PixelCNN(**{"K": 2, size: 0})
    for size in "n", "height", "width":
        with pytest.raises(ValueError, match=f"sample: {size} is 0"):
            net.sample(**{"n": 1, "height": 2, "width": 2, size: 0})


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_what_ships_is_read_into_the_network_it_is_of(name):
    net, other = load_pixelcnn(name), pixel_cnn(0)
    assert sum(p.size for p in net.params.values()) == 57_954
    assert all((p != other.params[key]).any() for key, p in net.params.items())
