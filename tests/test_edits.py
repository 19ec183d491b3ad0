"""Directions, edits along them, and how good they are found to be."""
import numpy as np
import pytest

from minivae import conv_vae
from minivae.data import to_float
from minivae.plots import decode, encode

from common import code_spaces, directions
from common.code_spaces import Space, of_components, of_pixels, of_vae
from common.edit_scores import (STEPS, Judge, Seen, gap_closed, look,
                                mouth_error)
from common.edits import OPENING, SMILE, anew, curved, straight
from common.faces import draw_faces, mouth_box
from common.people import FACTORS, LONG, draw_people
from common.pca import flat, pca

K = len(FACTORS)
IDENTITY = Space("itself", lambda images: images, lambda codes: codes)


def mixed(people, D=6, noise=0.0, seed=0):
    """Codes (N, D), linear in the factors, and the directions (K, D)."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((K, D))
    table = people.table()
    return table @ w + 1 + noise * rng.standard_normal((len(table), D)), w


# ---- directions ------------------------------------------------------------

def test_factors_are_where_they_are_thought_to_be():
    assert (FACTORS[SMILE], FACTORS[OPENING]) == ("smile", "opening")


def test_means_find_the_direction_where_factors_are_independent():
    people = draw_people(20_000, 0)
    codes, w = mixed(people)
    way = directions.from_means(codes, people.smile)
    np.testing.assert_allclose(way, w[SMILE], atol=0.1)
    by_hand = (codes[people.smile > 0].mean(axis=0)
               - codes[people.smile <= 0].mean(axis=0)) / 1.0
    assert directions.cosine(way, by_hand) == pytest.approx(1)
    opens = directions.from_means(codes, people.opening)
    np.testing.assert_allclose(opens, w[OPENING], atol=0.1)


def test_where_factors_go_together_only_regression_finds_it():
    people = draw_people(20_000, 1, follow=0.5)
    codes, w = mixed(people, D=K)
    ways = directions.all_ways(codes, people)
    assert list(ways) == ["means", "balanced", "all factors", "the filter"]
    np.testing.assert_allclose(ways["all factors"], w[SMILE], atol=1e-6)
    # what is in each direction, in units of the factors
    parts = {name: dict(zip(FACTORS, np.linalg.lstsq(w.T, way, None)[0]))
             for name, way in ways.items()}
    means, balanced = parts["means"], parts["balanced"]
    assert means["hair"] < -0.4 and means["glasses"] < -0.3
    assert means["long hair"] > 0.3
    assert abs(balanced["glasses"]) < 1e-6 > abs(balanced["long hair"])
    assert balanced["hair"] < -0.4              # it was not balanced
    assert balanced["smile"] == pytest.approx(means["smile"]) == (
        pytest.approx(1))


def test_balanced_is_the_mean_of_all_cells():
    rng = np.random.default_rng(0)
    codes, smile = rng.standard_normal((40, 3)), np.tile([1, -1, 3, -3], 10)
    cells = np.repeat([0, 1], 20)
    np.testing.assert_allclose(
        directions.balanced(codes, smile, cells),
        (directions.from_means(codes[:20], smile[:20])
         + directions.from_means(codes[20:], smile[20:])) / 2)


def test_cells_are_glasses_and_long_hair():
    people = draw_people(4000, 0, follow=0.5)
    codes = np.column_stack([people.glasses * (people.style == LONG),
                             people.glasses, people.smile])
    np.testing.assert_allclose(
        directions.all_ways(codes, people)["balanced"], [0, 0, 1], atol=1e-9)


def test_a_regression_is_the_least_squares_line():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 3)), rng.standard_normal((50, 2))
    w, b = directions.regress(x, y)
    want = np.linalg.lstsq(np.column_stack([x, np.ones(50)]), y, None)[0]
    np.testing.assert_allclose(np.vstack([w, b]), want, atol=1e-8)
    # a column twice: the smallest solution shares it out
    w, _ = directions.regress(x[:, [0, 0]], 3 * x[:, :1])
    np.testing.assert_allclose(w, [[1.5], [1.5]], rtol=1e-6)
    read = directions.reading(x, y)
    np.testing.assert_allclose(read(x[:4]), x[:4] @ want[:3] + want[3])


def test_a_filter_reads_and_does_not_point():
    """The code has a smile, and a nuisance that goes the same way."""
    rng = np.random.default_rng(0)
    smile, nuisance = rng.standard_normal((2, 5000))
    codes = np.column_stack([smile + nuisance, nuisance])
    step = directions.filter_of(codes, smile)
    w, _ = directions.regress(codes, smile[:, None])
    np.testing.assert_allclose(w[:, 0], [1, -1], atol=1e-9)
    assert step @ w[:, 0] == pytest.approx(1)
    assert directions.cosine(step, w[:, 0]) == pytest.approx(1)
    assert directions.cosine(step, np.array([1, 0])) == pytest.approx(
        np.sqrt(0.5))


def test_cosines():
    a = np.array([3.0, 4])
    for b, want in ((a, 1), (-2 * a, -1), (np.array([4, -3]), 0),
                    (np.array([1, 0]), 0.6)):
        assert directions.cosine(a, b) == pytest.approx(want)


def test_a_curve_knows_squares_cubes_and_products():
    table = draw_people(3000, 0).table().astype(float)
    s, other, third = table[:, 0], table[:, 4], table[:, 12]
    codes = np.column_stack([s ** 2 + third, s ** 3 - other, s * other,
                             s ** 2 * third])
    found = directions.curve(codes, table)(table[:50])
    np.testing.assert_allclose(found, codes[:50], atol=1e-6)
    beyond = directions.curve(s[:, None] ** 4, table)(table)[:, 0]
    assert 0.05 < abs(beyond - s ** 4).max() < 0.5       # but not this


# ---- edits -----------------------------------------------------------------

def test_a_straight_edit_arrives_where_it_should_and_moves_nothing_else():
    people = draw_people(200, 0)
    codes, w = mixed(people, D=K + 2)
    read = directions.reading(codes, people.table())
    edit = straight(IDENTITY, [w[SMILE]], read, codes[:5])
    for target in 0.7, np.linspace(-1, 1, 5)[:, None]:
        want = people.some(slice(5)).table()
        want[:, [SMILE]] = target
        np.testing.assert_allclose(edit(target), want @ w + 1, atol=1e-5)


def test_a_straight_edit_of_two_factors():
    people = draw_people(200, 0)
    codes, w = mixed(people, D=K + 2)
    edit = straight(IDENTITY, w[[SMILE, OPENING]], directions.reading(
        codes, people.table()), codes[:3], (SMILE, OPENING))
    want = people.some(slice(3)).but(smile=0.2, opening=-0.4).table()
    np.testing.assert_allclose(edit((0.2, -0.4)), want @ w + 1, atol=1e-5)


def test_a_curved_edit_follows_the_curve_and_keeps_what_is_beyond_it():
    people = draw_people(3, 0)
    table = people.table()
    codes = np.column_stack([table, np.full(3, 9.0)])

    def curve(table):
        return np.column_stack([table ** 2, 5 * table[:, :1]])
    edit = curved(IDENTITY, curve, lambda codes: codes[:, :K], codes)
    for target in 0.5, np.array([[-1], [0], [1]]):
        goal = table.copy()
        goal[:, [SMILE]] = target
        np.testing.assert_allclose(edit(target), codes + curve(goal)
                                   - curve(table), atol=1e-6)
    assert (codes[:, :K] == table).all()


def test_edits_are_made_of_images_by_way_of_their_codes():
    images = np.ones((4, 2))
    space = Space("halves", lambda images: images / 2, lambda codes: 2 * codes)
    way, read = [np.array([1.0, 0])], lambda codes: codes
    np.testing.assert_allclose(straight(space, way, read, images)(3),
                               [[6, 1]] * 4)
    np.testing.assert_allclose(
        curved(space, lambda table: table, read, images)(3), [[6, 1]] * 4)


def test_drawing_anew_gives_the_same_people_that_smile():
    people = draw_people(4, 0)
    edit = anew(people, 32)
    np.testing.assert_array_equal(
        edit(0.3), to_float(draw_faces(people.but(smile=0.3))))
    np.testing.assert_array_equal(
        edit(people.smile[:, None]), to_float(draw_faces(people)))
    assert anew(people, 48)(0).shape == (4, 48, 48, 1)


# ---- spaces ----------------------------------------------------------------

def test_pixels_are_a_space():
    images = draw_faces(draw_people(3, 0))
    space = of_pixels((32, 32, 1))
    codes = space.encode(images)
    assert codes.shape == (3, 1024) and codes.max() <= 1
    np.testing.assert_allclose(space.decode(codes), to_float(images))
    assert space.decode(codes + 9).max() == 1
    assert space.decode(codes - 9).min() == 0


def test_components_are_spaces():
    images = draw_faces(draw_people(300, 0), 16)
    few, more = of_components(images, (4, 30))
    assert (few.name, more.name) == ("PCA, 4", "PCA, 30")
    x = to_float(images)
    codes = few.encode(images)
    assert codes.shape == (300, 4)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(codes, more.encode(images)[:, :4],
                               atol=1e-4)
    errors = [((space.decode(space.encode(images)) - x) ** 2).mean()
              for space in (few, more)]
    assert errors[1] < 0.5 * errors[0] < 0.5 * x.var(axis=0).mean()
    mean, rows = pca(x)
    np.testing.assert_allclose(codes, (flat(x) - mean) @ rows[:4].T, atol=1e-4)
    np.testing.assert_allclose(
        few.decode(codes)[..., 0].reshape(300, -1),
        (mean + codes @ rows[:4]).clip(0, 1), atol=1e-5)


def test_principal_components_are_those_of_the_covariance():
    images = np.random.default_rng(0).random((50, 2, 3, 1))
    mean, directions_ = pca(images)
    rows = images.reshape(50, 6)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)
    variances = np.var((rows - mean) @ directions_.T, axis=0)
    np.testing.assert_allclose(variances, np.linalg.eigvalsh(
        np.cov(rows.T, bias=True))[::-1], rtol=1e-4)
    assert flat(images).shape == (50, 6) and flat(images).dtype == np.float32


def test_a_vaes_means_are_a_space():
    vae = conv_vae((32, 32, 1), 3, filters=2, rng=0)
    images = draw_faces(draw_people(3, 0))
    space = of_vae("a name", vae)
    codes = space.encode(images)
    assert (codes == encode(vae, images)).all()
    assert (space.decode(codes) == decode(vae, codes)).all()
    assert space.name == "a name" and code_spaces.Space is type(space)


# ---- scores ----------------------------------------------------------------

def test_what_is_seen_is_put_into_numbers():
    smiles = np.stack([STEPS, STEPS ** 3, np.where(STEPS > 0.9, 0, STEPS)],
                      axis=1)
    changes = np.array([[9.0, 3, 0], [9, 1, 0], [9, -1, 1]])
    seen = Seen(smiles, changes)
    assert seen.rising == pytest.approx(2 / 3)
    assert seen.drift == pytest.approx(np.sqrt(12 / 6))
    np.testing.assert_allclose(seen.systematic, [9, 1, 1 / 3])
    asked = np.array([[step] * 3 for step in STEPS])
    assert seen.correlation == pytest.approx(
        np.corrcoef(asked.ravel(), smiles.ravel())[0, 1])
    assert Seen(smiles[:, :1], changes).correlation == pytest.approx(1)
    standing = Seen(np.zeros((11, 2)), changes)
    assert standing.rising == 0
    assert (STEPS[0], STEPS[-1], len(STEPS)) == (-1, 1, 11)


def test_a_reader_looks_at_every_step():
    table = draw_people(50, 0).table()

    def edit(target):
        edited = table.copy()
        edited[:, SMILE] = target
        edited[:, 2] += 3 * target + 0.5
        return edited
    seen = look(lambda images: images, edit, table)
    np.testing.assert_allclose(seen.smiles, STEPS[:, None].repeat(50, 1),
                               atol=1e-6)
    want = np.zeros(K)
    want[SMILE], want[2] = 2 / table[:, SMILE].std(), 6 / table[:, 2].std()
    np.testing.assert_allclose(seen.changes, np.tile(want, (50, 1)),
                               atol=1e-5)


def test_a_gap_is_closed_by_what_was_to_be():
    rng = np.random.default_rng(0)
    unedited, true = rng.random((2, 3, 32, 32, 1))
    best = true + 0.05
    outside = np.ones((32, 32, 1))
    outside[mouth_box(32)] = 0
    assert gap_closed(unedited, unedited, best, true) == 0
    assert gap_closed(unedited, best + outside, best, true) == 1
    # the error is squared: half way leaves a quarter
    assert gap_closed(unedited, (unedited + true) / 2, true,
                      true) == pytest.approx(0.75)
    assert gap_closed(unedited, 2 * unedited - true, true, true) < -1
    assert mouth_error(best + outside, true) == pytest.approx(0.0025)


def test_a_judge_asks_for_the_other_smile():
    people = draw_people(40, 0)
    judge = Judge(lambda images: people.table() + 1, people, 32)
    np.testing.assert_array_equal(judge.images, to_float(draw_faces(people)))
    other = np.where(people.smile > 0, -1, 1)
    np.testing.assert_array_equal(judge.other, other[:, None])
    np.testing.assert_array_equal(judge.true, to_float(draw_faces(
        people._replace(smile=other))))
    space = of_pixels((32, 32, 1))
    assert judge.gap_closed(judge.truth, space) == pytest.approx(1)
    assert judge.gap_closed(lambda target: judge.images, space) == 0
    half = Space("half", space.encode, lambda codes: space.decode(codes / 2))
    assert judge.gap_closed(lambda target: judge.true / 2,
                            half) == pytest.approx(1)
    assert judge.off(judge.truth) == 0
    assert judge.off(lambda target: judge.true + 0.2) == pytest.approx(0.2)
    assert (judge.look(judge.truth).changes == 0).all()
    np.testing.assert_allclose(
        judge.known(lambda codes: judge.table, space), 1)
    np.testing.assert_array_equal(
        judge.known(lambda codes: judge.table * codes.mean(), space) < 1, True)
