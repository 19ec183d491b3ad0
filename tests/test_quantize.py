"""The nearest code, what it costs, and a codebook that follows its vectors."""
import numpy as np
import pytest
from test_oracle import agree, load

from minivae import check_function
from minivae.beyond.quantize import DEAD, Codebook, commitment, perplexity

CASES = load("vq.npz")


@pytest.fixture
def book():
    return Codebook(5, 3, rng=0, dtype="float64")


def vectors(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape)


def test_the_nearest_is_found_among_all(book):
    z = vectors(2, 3, 4, 3)
    distances = ((z[..., None, :] - book.vectors) ** 2).sum(axis=-1)
    codes = book.nearest(z)
    np.testing.assert_array_equal(codes, distances.argmin(axis=-1))
    assert len(np.unique(codes)) > 2
    np.testing.assert_array_equal(book.look_up(codes), book.vectors[codes])


def test_a_code_is_nearest_to_itself(book):
    codes = np.array([[[0, 1], [4, 2]]])
    np.testing.assert_array_equal(book.nearest(book.look_up(codes)), codes)


def is_one_of(vector, z):
    return np.isclose(z.reshape(-1, 3), vector, rtol=1e-12).all(axis=1).any()


# ---- the commitment --------------------------------------------------------

def test_the_commitments_gradient_takes_the_code_as_constant(book, prove):
    z = vectors(2, 3, 2, 3)
    e = book.look_up(book.nearest(z))
    upstream = np.array([1.3, -0.4])
    price, dz = commitment(z, e)
    assert price.shape == (2,)
    assert price[0] == pytest.approx(sum((z[0] - e[0]).ravel() ** 2))
    prove(check_function(
        "commitment", lambda: commitment(z, e)[0], upstream,
        {"z": (z, dz * upstream[:, None, None, None])}, verbose=False))


# ---- moving averages -------------------------------------------------------

def test_a_code_becomes_the_mean_of_its_vectors_by_hand():
    book = Codebook(2, 1, decay=0.75, rng=0, dtype="float64")
    book.vectors = np.array([[0.0], [10.0]])
    book.counts, book.sums = np.array([2.0, 1.0]), np.array([[0.0], [10.0]])
    z = np.array([1.0, 3.0, 9.0]).reshape(1, 1, 3, 1)
    book.update(z, book.nearest(z), rng=0)
    # three quarters of what was, a quarter of what came
    np.testing.assert_allclose(book.counts, [2.0, 1.0])
    np.testing.assert_allclose(book.sums, [[1.0], [9.75]])
    np.testing.assert_allclose(book.vectors, [[0.5], [9.75]])


def test_it_is_k_means_where_nothing_is_remembered(book):
    book.decay, z = 0, vectors(4, 5, 5, 3)
    codes = book.nearest(z)
    book.update(z, codes, rng=0)
    for k in range(5):
        if (codes == k).any():
            np.testing.assert_allclose(book.vectors[k],
                                       z[codes == k].mean(axis=0))


def test_a_dead_code_starts_anew_as_one_of_the_vectors(book):
    z = vectors(2, 3, 5, 3)
    book.counts, book.sums = np.full(5, 6.0), 6 * book.vectors
    book.counts[2], book.sums[2] = 0, 0
    codes = np.where(book.nearest(z) == 2, 0, book.nearest(z))   # none at 2
    before = book.vectors.copy()
    book.update(z, codes, rng=0)
    assert is_one_of(book.vectors[2], z)
    assert book.counts[2] == 30 / 5                     # its usual share
    alive = [0, 1, 3, 4]
    assert (abs(book.vectors - before)[alive] < 0.2).all()
    # and it is alive now
    second = book.vectors[2].copy()
    book.update(z, codes, rng=1)
    np.testing.assert_allclose(book.vectors[2], second, rtol=1e-12)


@pytest.mark.parametrize("share, dies", [(1.5, False), (0.9, True)])
def test_a_code_dies_below_a_share(book, share, dies):
    z = vectors(1, 1, 10, 3)
    book.counts = np.full(5, 2.0)
    book.counts[1] = share * DEAD * 10 / 5
    book.sums = book.counts[:, None] * book.vectors
    book.update(z, np.zeros((1, 1, 10), int), rng=0)
    assert is_one_of(book.vectors[1], z) == dies


def test_the_first_vectors_make_the_codebook():
    book = Codebook(8, 3, rng=0, dtype="float64")
    z = 100 + vectors(4, 5, 5, 3)           # far from the codes drawn first
    for seed in range(3):
        codes = book.nearest(z)
        book.update(z, codes, rng=seed)
    assert abs(book.vectors - 100).max() < 5
    assert perplexity(book.nearest(z), 8) > 4


def test_its_draws_follow_the_seed():
    z, books = vectors(2, 4, 4, 3), []
    for seed in 0, 0, 1:
        book = Codebook(6, 3, rng=0, dtype="float64")
        book.update(z, book.nearest(z), rng=seed)
        books.append(book.vectors)
    assert (books[0] == books[1]).all() and (books[0] != books[2]).any()


def test_the_same_numbers_as_pytorch():
    a = CASES["vq"]
    book = Codebook(*a["start"].shape, decay=float(a["decay"]),
                    dtype="float64")
    book.vectors, book.counts = a["start"].copy(), a["counts"].copy()
    book.sums = book.counts[:, None] * book.vectors
    assert len(a["z"]) == 10
    for i, z in enumerate(a["z"]):
        codes = book.nearest(z)
        np.testing.assert_array_equal(codes, a["codes"][i])
        y = book.look_up(codes)
        agree(y, a["y"][i])
        price, dz = commitment(z, y)
        agree(price, a["price"][i])
        # straight through, and the commitment beside it
        agree(a["dy"][i] + a["dprice"][i][:, None, None, None] * dz,
              a["dz"][i])
        book.update(z, codes, rng=0)
        agree(book.vectors, a["vectors"][i])


# ---- perplexity ------------------------------------------------------------

def test_perplexity_counts_codes_in_use():
    assert perplexity(np.zeros((3, 2, 2), int), 7) == 1
    assert perplexity(np.arange(7).repeat(3), 7) == pytest.approx(7)
    assert perplexity(np.array([0, 1, 1, 1]), 9) == pytest.approx(
        np.exp(-0.25 * np.log(0.25) - 0.75 * np.log(0.75)))


# ---- what is refused -------------------------------------------------------

@pytest.mark.parametrize("settings, message", [
    ({"K": 0}, "Codebook: K is 0"), ({"D": 1.5}, "Codebook: D is 1.5"),
    ({"decay": 1}, "decay is 1, but a number from 0 to below 1"),
    ({"decay": -0.1}, "decay is -0.1"), ({"decay": np.nan}, "decay is nan")])
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Codebook(**{"K": 5, "D": 3, **settings})


def test_vectors_of_another_width_are_refused(book):
    z = vectors(1, 2, 2, 4)
    with pytest.raises(ValueError, match=r"z has shape \(1, 2, 2, 4\)"):
        book.nearest(z)
    with pytest.raises(ValueError, match=r"z has shape \(1, 2, 2, 4\)"):
        book.update(z, np.zeros((1, 2, 2), int))
    with pytest.raises(ValueError, match="vectors has shape"):
        commitment(z, z[:, :1])
    with pytest.raises(TypeError, match="float64 was expected"):
        book.nearest(vectors(1, 2, 2, 3).astype("float32"))


@pytest.mark.parametrize("code", [-1, 5])
def test_codes_out_of_range_are_refused(book, code):
    with pytest.raises(ValueError, match="whole numbers from 0 to 4"):
        book.look_up(np.array([[0, code]]))
    with pytest.raises(ValueError, match="whole numbers from 0 to 4"):
        perplexity(np.array([0, code]), 5)
