"""smile.py: it measures what it says, and its pictures show what was asked."""
import re

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.figure import Figure

from minivae import conv_vae, gaussian_pixels_logpdf, losses
from minivae.data import to_float
from minivae.plots import tile

from common import directions, smile_tables, strips
from common.code_spaces import Space, of_components
from common.edit_scores import Judge, Seen
from common.edits import SMILE, straight
from common.faces import draw_faces
from common.people import FACTORS, LONG, STYLES, draw_people
from test_demos import arguments, load

PICTURES = {"smile.png", "types.png", "ways.png", "confounded.png"}


@pytest.fixture(scope="module")
def components():
    """The widest components of some faces, as spaces: components(count)."""
    (all_of_them,) = of_components(draw_faces(draw_people(400, 9)), (100,))

    def few(count, name):
        def decode(codes):
            rest = np.zeros((len(codes), 100 - count), codes.dtype)
            return all_of_them.decode(np.hstack([codes, rest]))
        return Space(name, lambda images: all_of_them.encode(
            images)[:, :count], decode)
    return few


@pytest.fixture
def quick(monkeypatch, tmp_path, capsys, components):
    """Run the demo with few faces, and with components in place of VAEs.

    Returns what it printed, and what it trained.
    """
    def quick(*args):
        demo, trained = load("smile.py"), []

        def train(images, latent_dim, args, noise=True):
            trained.append((len(images), latent_dim, noise, args.epochs))
            return components(latent_dim, f"{'VAE' if noise else 'other'}, "
                              f"{latent_dim}")

        def learn(images, table, epochs, rng):
            read = directions.reading(components(60, "").encode(images), table)
            return lambda images: read(components(60, "").encode(images))
        for name, value in {
                "train": train, "learn_to_read": learn, "HELD_OUT": 60,
                "of_pixels": lambda shape: components(
                    100, f"pixels, {shape}"),
                "of_components": lambda images, counts: [
                    components(count, f"PCA, {count}") for count in counts]
                }.items():
            monkeypatch.setattr(demo, name, value)
        demo.main(arguments(demo, monkeypatch, *args, "--out", tmp_path))
        return capsys.readouterr().out, trained
    return quick


def rows_of(table, width=14):
    """{name: numbers} of a table's rows, whose names are so wide."""
    return {line[:width].strip(): [
        float(n.strip("%")) / (100 if "%" in n else 1)
        for n in line[width:].split()] for line in table.splitlines()
        if re.fullmatch(r"( +-?\d+\.?\d*%?)+", line[width:])
        and line[:1].strip()}


def test_smile_prints_what_it_measures(quick, tmp_path, components):
    printed, trained = quick("--limit", 1500, "--seed", 3)
    assert trained == [(1500, 8, True, 5), (1500, 16, True, 5),
                       (1500, 32, True, 5), (1500, 32, False, 5)]
    assert {p.name for p in tmp_path.iterdir()} == PICTURES
    assert f"Look at {tmp_path}" in printed
    known, edits, confounded = re.split("What edits do|Other people", printed)
    assert list(rows_of(known)) == list(FACTORS)

    # the same again, from a seed and the same parts
    rng = np.random.default_rng(3)
    people, held_out = draw_people(1500, rng), draw_people(60, rng)
    images, table = draw_faces(people), people.table()
    eight, space, sixty = (components(count, "") for count in (8, 32, 60))
    reader = directions.reading(sixty.encode(images), table)
    judge = Judge(lambda images: reader(sixty.encode(images)), held_out, 32)
    codes = space.encode(images)
    read = directions.reading(codes, table)
    way = directions.from_means(codes, people.smile)
    edit = straight(space, [way], read, judge.images)
    seen = judge.look(edit)
    assert rows_of(edits, 24)["VAE, 32"] == pytest.approx(
        [seen.correlation, seen.rising, seen.drift,
         judge.gap_closed(edit, space), judge.off(edit),
         judge.known(read, space)[SMILE]],
        abs=0.006)
    assert rows_of(edits, 24)["VAE, 32"] == rows_of(edits, 24)["other, 32"]
    assert list(rows_of(edits, 24)) == [
        "drawn anew", "pixels, (32, 32, 1)", "PCA, 16", "PCA, 64", "other, 32",
        "VAE, 32", "VAE, 32, curved"]
    truth = judge.look(judge.truth)
    assert rows_of(edits, 24)["drawn anew"] == pytest.approx(
        [truth.correlation, truth.rising, truth.drift, 1, 0, 1], abs=0.006)
    in_8 = directions.reading(eight.encode(images), table)
    errors = (in_8(eight.encode(judge.images)) - judge.table) ** 2
    variances = judge.table.var(axis=0)
    numbers = rows_of(known)
    np.testing.assert_allclose([numbers[name][1] for name in FACTORS],
                               1 - errors.mean(axis=0) / variances, atol=0.01)
    np.testing.assert_allclose(
        [numbers[name][0] for name in FACTORS],
        1 - ((judge.read(judge.images) - judge.table) ** 2).mean(axis=0)
        / variances, atol=0.01)

    others = draw_people(1500, rng, 0.5)
    check_confounded(confounded, others, space, judge, way)


def check_confounded(printed, others, space, judge, truth):
    codes = space.encode(draw_faces(others))
    read = directions.reading(codes, others.table())
    smile = np.corrcoef(others.table().T)[SMILE]
    assert [float(n) for n in re.findall(r"\((-?0\.\d\d)\)",
                                         printed.split("change")[0])] == (
        pytest.approx([smile[FACTORS.index(name)] for name in (
            "hair", "glasses", "long hair")], abs=0.006))
    numbers = rows_of(printed)
    for i, way in enumerate(directions.all_ways(codes, others).values()):
        change = judge.look(straight(space, [way], read,
                                     judge.images)).changes.mean(axis=0)
        np.testing.assert_allclose([numbers[name][i] for name in FACTORS],
                                   change, atol=0.006)
        assert numbers["largest other"][i] == pytest.approx(
            max(abs(change[1:])), abs=0.006)
        assert numbers["cosine"][i] == pytest.approx(
            directions.cosine(way, truth), abs=0.006)
    assert numbers["largest other"][0] > 2 * numbers["largest other"][2]


def test_smiles_quick_form_and_pictures(quick, tmp_path):
    _, trained = quick("--limit", 400, "--quick")
    assert trained == [(400, 16, True, 3), (400, 16, False, 3)]
    for name in PICTURES:
        picture = imageio.imread(tmp_path / name)
        assert picture.shape[1] == 900 and picture.std() > 5
        assert picture.mean() > 150                     # paper is white


def test_smile_trains_with_and_without_noise(monkeypatch):
    demo, calls = load("smile.py"), []

    def keep(vae, images, **settings):
        calls.append((vae, images, settings))
        return vae
    monkeypatch.setattr(demo, "fit", keep)
    args = arguments(demo, monkeypatch, "--beta", 4, "--seed", 3)
    args.xp = np
    images = draw_faces(draw_people(3, 0))
    space = demo.train(images, 5, args)
    plain = demo.train(images, 5, args, noise=False)
    assert (space.name, plain.name) == ("VAE, 5", "autoencoder, 5")
    first = conv_vae((32, 32, 1), 5, filters=16, likelihood="continuous",
                     rng=3).params
    for (vae, given, settings), noise in zip(calls, (True, False)):
        assert given is images and vae.likelihood == "continuous"
        assert (vae.params["encoder.0.w"] == first["encoder.0.w"]).all()
        assert vae.latent_dim == 5
        settings.pop("name")
        assert settings == {"epochs": 5, "noise": noise, "xp": np,
                            "beta": 4 * noise, "seed": 3}
    assert space.encode(images).shape == (3, 5)


def test_a_wider_pixel_and_a_larger_beta_are_the_same(monkeypatch):
    """Their losses' gradients differ by a factor: Adam takes no notice."""
    vae = conv_vae((8, 8, 1), 2, filters=2, likelihood="continuous", rng=0,
                   dtype=np.float64)
    rng = np.random.default_rng(0)
    x, eps = rng.random((3, 8, 8, 1)), rng.standard_normal((3, 2))
    with_beta = {name: g.copy() for name, g in
                 vae.loss_and_grads(x, eps, beta=9 / 4)[1].items()}
    monkeypatch.setattr(losses, "PIXEL_WIDTH", 0.3)
    for name, g in vae.loss_and_grads(x, eps)[1].items():
        np.testing.assert_allclose(g, 4 / 9 * with_beta[name], atol=1e-12)
    assert gaussian_pixels_logpdf(x, x)[0].shape == (3,)


# ---- the tables ------------------------------------------------------------

def test_tables_are_aligned(capsys):
    seen = Seen(np.stack([np.linspace(-1, 1, 11)] * 2, axis=1),
                np.ones((2, len(FACTORS))))
    smile_tables.print_edit("a name", seen, 0.5, 0.07, 0.25)
    head, row = smile_tables.EDITS.splitlines()[-1], capsys.readouterr().out
    assert row == (f"{'a name':<24}     1.000    100%    1.00     50%"
                   "      7%    0.25\n")
    assert len(head) == len(row) - 1
    smile_tables.print_factors({"one": np.zeros(17), "two": np.arange(17)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["one", "two"]
    assert [line[:14].strip() for line in lines[1:]] == list(FACTORS)
    assert lines[-1].split()[-2:] == ["0.00", "16.00"]
    assert len({len(line) for line in lines}) == 1


def test_the_smile_is_no_other_factor():
    drift = np.zeros(len(FACTORS))
    drift[SMILE], drift[5] = 9, -2
    assert smile_tables.largest_other(drift) == 2
    table = draw_people(100, 0).table()
    related = smile_tables.correlations(table)
    assert related["smile"] == pytest.approx(1)
    assert related["nose"] == pytest.approx(
        np.corrcoef(table[:, SMILE], table[:, 5])[0, 1])


# ---- the pictures ----------------------------------------------------------

def test_strips_are_faces_side_by_side():
    def edit(target):
        return np.arange(3)[:, None] * 10 + np.array([[target]])
    found = strips.strip(edit, [2, 0], [1, 5])
    assert found[:, 0].tolist() == [21, 25, 1, 5]
    assert strips.signed([-1, 0, 0.44]) == ["−1.0", "0", "+0.4"]
    np.testing.assert_allclose(strips.TARGETS,
                               [-1.2, -0.8, -0.4, 0, 0.4, 0.8, 1.2])
    assert strips.strip(edit, [1]).shape == (7, 1)
    assert strips.signed()[0] == "−1.2" and strips.signed()[3] == "0"


def test_strips_are_drawn_with_ink_dark_and_named(monkeypatch, tmp_path):
    figures, images = [], to_float(draw_faces(draw_people(4, 0)))
    monkeypatch.setattr(strips, "Figure", lambda **given: figures.append(
        Figure(**given)) or figures[0])
    monkeypatch.setattr(strips, "pixels", lambda figure: np.zeros((2, 2), "u1")
                        )
    strips.draw_strips(tmp_path / "a.png", [("above", images),
                                            ("", images[::-1])], list("abcd"))
    above, below = figures[0].axes
    for ax, row in (above, images), (below, images[::-1]):
        np.testing.assert_array_equal(ax.images[0].get_array(),
                                      tile(row, 4)[..., 0])
        assert ax.images[0].get_cmap().name == "gray_r"
        assert ax.images[0].get_interpolation() == "bicubic"
    assert above.get_title(loc="left") == "above"
    assert [text.get_text() for text in below.get_xticklabels()] == [*"abcd"]
    np.testing.assert_allclose(below.get_xticks(), [15.5, 47.5, 79.5, 111.5])
    assert (tmp_path / "a.png").exists()


def test_smiles_pictures_show_what_was_asked_for(monkeypatch, tmp_path):
    demo, seen = load("smile.py"), {}
    monkeypatch.setattr(demo, "draw_strips", lambda path, rows, columns: (
        seen.update({path.name: (rows, columns)})))
    args = arguments(demo, monkeypatch, "--out", tmp_path)
    people = draw_people(60, 0)
    judge = Judge(lambda images: people.table(), people, 32)

    def of(value):          # an edit that says which it is, whom, and to what
        return lambda target: np.arange(60)[:, None, None, None] + (
            value + np.sum(target)) * np.ones((60, 32, 32, 1))
    edits = {"drawn anew": of(0), "PCA": of(100), "VAE": of(200),
             "VAE, curved": of(300)}
    demo.draw(args, edits, dict(zip(demo.TITLES, map(of, (1, 2, 3, 4)))),
              of(0), judge)
    assert set(seen) == PICTURES
    first = [next(i for i in range(60) if people.style[i] == s
                  and people.glasses[i] == (s == 1)
                  and people.hair[i] > people.skin[i])
             for s in range(len(STYLES))]
    rows, columns = seen["smile.png"]
    assert columns == ["given", *strips.signed()]
    for face, (name, images) in zip(first, rows, strict=True):
        assert name == ""
        np.testing.assert_array_equal(images[0], judge.images[face])
        np.testing.assert_allclose(images[1:, 0, 0, 0],
                                   face + 200 + strips.TARGETS)
    plain = min((i for i in range(60) if people.style[i] == LONG
                 and people.glasses[i]), key=lambda i: (
                     people.skin[i] + people.opening[i] + abs(people.hair[i])))
    for name, names, values in (
            ("ways.png", edits, (0, 100, 200, 300)),
            ("confounded.png", demo.TITLES.values(), (1, 2, 3, 4))):
        rows, columns = seen[name]
        assert [title for title, _ in rows] == list(names)
        assert columns == strips.signed()
        for (_, images), value in zip(rows, values):
            np.testing.assert_allclose(images[:, 0, 0, 0],
                                       plain + value + strips.TARGETS)
    rows, columns = seen["types.png"]
    assert columns == 2 * ["−1.0", "−0.5", "0", "+0.5", "+1.0"]
    for (name, images), opening in zip(rows, (-1, 0, 1), strict=True):
        assert name.startswith("mouth: ")
        np.testing.assert_allclose(images[:, 0, 0, 0], [
            face + opening + smile for face in (0, 1)
            for smile in (-1, -0.5, 0, 0.5, 1)])
