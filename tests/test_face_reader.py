"""The reader: it learns from true faces, and says how far to believe it."""
import numpy as np
import pytest

from common.edit_scores import Judge
from common.face_reader import NOISE, build, learn_to_read, r_squared, spoil
from common.faces import draw_faces
from common.people import FACTORS, draw_people

MANY = 6000


@pytest.fixture(scope="module")
def reader():
    people = draw_people(MANY, 0)
    return learn_to_read(draw_faces(people), people.table(), 3, 1)


def test_a_reader_reads_faces_that_it_has_not_seen(reader):
    people = draw_people(300, 5)
    read = reader(draw_faces(people))
    assert read.shape == (300, len(FACTORS)) and read.dtype == np.float32
    known = dict(zip(FACTORS, r_squared(read, people.table())))
    assert known["smile"] > 0.93 and known["glasses"] > 0.9
    assert known["hair"] > 0.95 and known["x"] > 0.95
    # in a table's units: not in standard deviations
    assert read[:, 0].std() == pytest.approx(people.smile.std(), rel=0.1)
    assert reader(draw_faces(people)[:1]) == pytest.approx(read[:1], abs=1e-5)


def test_where_true_faces_smile_a_reader_sees_little_else(reader):
    judge = Judge(reader, draw_people(300, 5), 32)
    seen = judge.look(judge.truth)
    assert seen.correlation > 0.95 and seen.rising > 0.9
    assert seen.systematic[0] == pytest.approx(2 / judge.table[:, 0].std(),
                                               rel=0.15)
    assert np.sqrt((seen.systematic[1:] ** 2).mean()) < 0.1
    assert seen.drift < 0.25


def test_a_reader_is_as_good_on_blurred_and_noisy_faces(reader):
    people = draw_people(300, 6)
    x = spoil(draw_faces(people) / np.float32(255), np.random.default_rng(0))
    assert r_squared(reader(x), people.table())[0] > 0.9


def test_the_same_seed_makes_the_same_reader():
    people = draw_people(192, 0)
    images, table = draw_faces(people), people.table()
    one, again, other = (learn_to_read(images, table, 1, seed)(images)
                         for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()
    assert images.dtype == np.uint8


def test_a_reader_begins_with_the_mean_and_learns_all_of_each_epoch():
    people = draw_people(128, 0)
    images, table = draw_faces(people), people.table()
    none = learn_to_read(images, table, 0, 1)(images)
    assert abs(none.mean(axis=0) - table.mean(axis=0)).max() < 1.5
    errors = [((learn_to_read(images, table, epochs, 1)(images)
                - table) ** 2).mean() for epochs in (0, 4, 12)]
    assert errors[1] < 0.8 * errors[0] and errors[2] < 0.8 * errors[1]


def test_a_readers_network_fits_both_sizes():
    rng = np.random.default_rng(0)
    for size in 32, 48:
        network = build((size, size, 1), 5, rng)
        assert network.forward(rng.random((2, size, size, 1),
                                          np.float32)).shape == (2, 5)


def test_faces_are_blurred_by_a_share_of_their_own_and_stay_in_0_to_1():
    dot = np.zeros((400, 5, 5, 1), np.float32)
    dot[:, 2, 2] = 1
    x = spoil(dot, np.random.default_rng(0))
    assert x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1
    # from the dot itself to a quarter of it, 1/2 in each direction
    middle = x[:, 2, 2, 0]
    assert 0.2 < middle.min() < 0.4 and middle.max() > 0.9
    beside = x[:, [1, 3], 2, 0].mean(axis=1), x[:, 2, [1, 3], 0].mean(axis=1)
    for side in beside:
        assert side.max() == pytest.approx(0.14, abs=0.06)
        assert np.corrcoef(middle, side)[0, 1] < -0.3
    grey = np.full((50, 8, 8, 1), 0.5, np.float32)       # nothing to blur
    noise = spoil(grey, np.random.default_rng(0)) - grey
    assert noise.std() == pytest.approx(NOISE, rel=0.05)
    assert abs(noise.mean()) < 0.003
    assert (grey == 0.5).all()


def test_r_squared_is_1_for_what_is_known_and_0_for_a_guess():
    true = np.array([[1.0, 2], [3, 4], [5, 9]])
    read = np.column_stack([true[:, 0], np.full(3, 5.0)])
    np.testing.assert_allclose(r_squared(read, true), [1, 0])
    np.testing.assert_allclose(r_squared(true + 2, true),
                               1 - 4 / true.var(axis=0))
