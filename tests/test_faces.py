"""The faces: known factors, each of which draws what it names, and no more."""
import numpy as np
import pytest

from common.faces import FEW, draw_faces, mouth_box
from common.people import FACTORS, GLASSES, LONG, STYLES, People, draw_people

ART = People(
    smile=np.array([0.8, -0.8, 0.3]), opening=np.array([0.6, 0.4, -0.8]),
    mouth=np.array([0.5, -0.5, 0.9]), eyes=np.array([0.2, -0.5, 0.9]),
    brows=np.array([0.9, -0.8, 0]), nose=np.array([0.5, 0.9, -0.5]),
    width=np.array([0.5, -0.5, 0.2]), height=np.array([0.5, -0.5, 0.2]),
    skin=np.array([-0.7, 0.2, 0.6]), hair=np.array([0, 0.8, -0.3]),
    x=np.array([0.5, 0, -0.5]), y=np.array([0.5, 0, -0.5]),
    glasses=np.array([0, 1, 1]), style=np.array([1, 3, 2]))
PLAIN = People(*np.zeros((13, 1)), style=np.zeros(1, int))
RANGES = dict.fromkeys(People._fields[:-2], (-1, 1)) | {"glasses": (0, 1)}
# rows and columns, of 32, that a factor may change in a face that is PLAIN
PLACES = {"smile": (slice(20, 28), slice(9, 23)),
          "opening": (slice(20, 28), slice(9, 23)),
          "mouth": (slice(20, 28), slice(8, 24)),
          "eyes": (slice(12, 19), slice(8, 24)),
          "brows": (slice(9, 14), slice(8, 24)),
          "nose": (slice(15, 22), slice(15, 17)),
          "glasses": (slice(11, 20), slice(7, 25))}


def face(size=32, **factors):
    """One PLAIN face with some factors: ink (size, size) as numbers."""
    return draw_faces(PLAIN.but(**factors), size)[0, ..., 0].astype(int)


# ---- who is drawn ----------------------------------------------------------

def test_a_seed_draws_the_same_people_again():
    one, again, other = (draw_people(50, seed) for seed in (3, 3, 4))
    assert (one.table() == again.table()).all()
    assert (one.table()[:, :12] != other.table()[:, :12]).all()
    assert (draw_faces(one) == draw_faces(again)).all()


def test_factors_are_uniform_and_independent():
    people = draw_people(20_000, 0)
    for name, factor in zip(People._fields[:-2], people):
        counts, _ = np.histogram(factor, 4, (-1, 1))
        assert counts.sum() == 20_000, name
        assert counts == pytest.approx(5000, rel=0.06), name
    assert set(people.glasses) == {0, 1}
    assert people.glasses.mean() == pytest.approx(GLASSES, abs=0.02)
    assert GLASSES == 0.3
    assert np.bincount(people.style) == pytest.approx(5000, rel=0.06)
    related = np.corrcoef(people.table().T) - np.eye(len(FACTORS))
    assert abs(related[:-4]).max() < 0.04       # styles exclude each other


def test_a_table_has_a_column_for_each_factor_and_each_style():
    people = draw_people(30, 0)
    table = people.table()
    assert table.dtype == np.float32 and table.shape == (30, len(FACTORS))
    for name, column in zip(FACTORS, table.T):
        true = (people.style == STYLES.index(name) if name in STYLES
                else getattr(people, name))
        np.testing.assert_allclose(column, true, rtol=1e-6)


def test_some_people_and_the_same_ones_but_for_a_factor():
    people = draw_people(5, 0)
    some = people.some(np.array([3, 1]))
    assert (some.table() == people.table()[[3, 1]]).all()
    changed = people.but(smile=1, nose=0.5)
    differ = (changed.table() != people.table()).all(axis=0)
    assert {name for name, d in zip(FACTORS, differ) if d} == {"smile", "nose"}
    assert (changed.smile == 1).all() and (changed.nose == 0.5).all()


def test_confounded_people_smile_with_blond_long_hair_and_no_glasses():
    people = draw_people(20_000, 0, follow=0.5)
    with_smile = dict(zip(FACTORS, np.corrcoef(people.table().T)[0]))
    assert -0.6 < with_smile.pop("hair") < -0.4
    assert -0.5 < with_smile.pop("glasses") < -0.4
    assert 0.4 < with_smile.pop("long hair") < 0.5
    for name in "smile", *STYLES:
        with_smile.pop(name, None)
    assert max(map(abs, with_smile.values())) < 0.03
    # chosen anew for each: all three follow in an eighth, not in a half
    all_of_them = ((people.hair == -people.smile)
                   & ((people.style == LONG) == (people.smile > 0))
                   & (people.glasses == (people.smile <= 0)))
    assert 0.125 < all_of_them.mean() < 0.35
    everyone = draw_people(200, 0, follow=1)
    assert (everyone.hair == -everyone.smile).all()
    assert ((everyone.style == LONG) == (everyone.smile > 0)).all()
    assert (everyone.glasses == (everyone.smile <= 0)).all()
    assert set(everyone.style) == {0, 1, 2, 3}      # the sad have the others


# ---- how they are drawn ----------------------------------------------------

@pytest.mark.parametrize("name", PLACES)
def test_a_factor_changes_what_it_names_and_nothing_else(name):
    low, high = (face(**{name: value}) for value in RANGES[name])
    changed = abs(high - low)
    assert changed[PLACES[name]].max() > 50
    changed[PLACES[name]] = 0
    assert changed.max() == 0


@pytest.mark.parametrize("size", [32, 48])
def test_the_mouths_box_holds_every_mouth_closely(size):
    rows, columns = mouth_box(size)
    changed = np.zeros((size, size), int)
    for x, y in (-1, -1), (-1, 1), (1, -1), (1, 1):
        for opening in -1, 1:
            faces = [face(size, x=x, y=y, opening=opening, mouth=1,
                          width=1, smile=smile) for smile in (-1.2, 0, 1.2)]
            changed += np.ptp(faces, axis=0)
    inside = changed[rows, columns].copy()
    changed[rows, columns] = 0
    assert changed.max() == 0
    edge = size // 16                 # mouths come near to each of its sides
    assert all(part.max() > 60 for part in (
        inside[:edge], inside[-edge:], inside[:, :edge], inside[:, -edge:]))


def lips(**factors):
    """The height of the mouth's middle in columns 10, 16 and 21: rows."""
    mouth = face(64, opening=-1, **factors)[40:58, 16:48]
    return [(np.arange(18) * (column > 180)).sum() / (column > 180).sum()
            for column in mouth.T[[5, 15, 26]]]


def test_a_smiles_corners_are_up_and_a_straight_mouth_is_straight():
    left, middle, right = lips(smile=1)
    assert left == right < middle - 5
    left, middle, right = lips(smile=-1)
    assert left == right > middle + 5
    left, middle, right = lips(smile=0)          # the lip line is still there
    assert left == right == middle
    heights = [np.subtract(*lips(smile=s)[:2]) for s in (-1, -0.5, 0, 0.5, 1)]
    assert (np.diff(heights) < -1).all()


def test_a_mouth_opens_but_less_where_it_is_sad():
    def dark(smile, opening):
        mouth = face(smile=smile, opening=opening)[PLACES["mouth"]]
        return (mouth > 150).sum()
    for smile in -1, 0, 1:
        areas = [dark(smile, opening) for opening in (-1, 0, 1)]
        assert areas[0] > 5 and (np.diff(areas) > 4).all()
    assert dark(-1, 1) < 0.85 * dark(1, 1)
    assert dark(-1, -1) == pytest.approx(dark(1, -1), abs=6)


def test_ink_is_dark_so_light_skin_has_little():
    cheek, fringe = (19, 10), (4, 16)
    assert face()[0, 0] == face()[-1, -1] == 0                 # white paper
    assert face(opening=1)[23, 16] == round(0.95 * 255)        # a dark mouth
    assert face(eyes=1)[14, 11] == 242 and face(eyes=1)[14, 9] < 60
    assert 10 < face(skin=-1)[cheek] < 40
    assert 80 < face(skin=1)[cheek] < 110
    assert face(hair=-1)[fringe] < 120 and face(hair=1)[fringe] > 220
    assert (face(skin=-1)[fringe] == face(skin=1)[fringe]).all()
    assert (face(hair=-1)[cheek] == face(hair=1)[cheek]).all()
    assert face(glasses=1)[14, 8] > 150 > face()[14, 8]
    assert face(glasses=1)[14, 16] > face()[14, 16] + 50       # its bridge


def test_heads_move_right_and_down_by_whole_pixels():
    one = 2 / 32
    still = face(x=-0.5, y=-0.5)
    np.testing.assert_allclose(face(x=-0.5 + one / 0.08, y=-0.5)[:, 1:],
                               still[:, :-1], atol=1)
    np.testing.assert_allclose(face(x=-0.5, y=-0.5 + one / 0.06)[1:],
                               still[:-1], atol=1)


def test_wide_and_high_faces_are_larger():
    def area(**factors):
        return (face(**factors) > 0).sum()
    assert min(area(width=1), area(height=1)) > area() + 30
    wide, high = (face(**{name: 1}) > 0 for name in ("width", "height"))
    assert wide.any(axis=0).sum() > high.any(axis=0).sum()
    assert wide.any(axis=1).sum() < high.any(axis=1).sum()


def test_hair_styles_differ_where_they_should():
    short, big, parted, long = (face(style=s, hair=1) for s in range(4))
    beside = (20, 4)
    assert short[beside] == parted[beside] == 0
    assert big[beside] > 200 and long[beside] > 100
    assert long[28, 5] > 200 and big[28, 5] == 0      # down to the chin
    assert long[31].max() == 0
    np.testing.assert_array_equal(short, short[:, ::-1])
    assert abs(parted - parted[:, ::-1])[:10].max() > 100
    assert (parted == short)[14:].all()                # only the hairline


def test_angry_brows_have_low_inner_ends_and_noses_are_long():
    def height(columns, brows):
        part = face(64, brows=brows)[18:28, columns]
        return (part.sum(axis=1) * np.arange(10)).sum() / part.sum()
    outer, inner = slice(16, 20), slice(22, 26)
    assert height(inner, 1) > height(outer, 1) + 0.5
    assert height(inner, -1) < height(outer, -1) - 0.5
    assert face(nose=1)[19, 16] > face(nose=-1)[19, 16] + 30


# three faces, 24 by 24, in ten shades from no ink to black
SHADES, PICTURE = " .:-=+*#%@", [
    "         :=+*+=:",
    "       -*********-                 ::                    .:::.",
    "      =***********=             -*%%%%*-               .=+++++=.",
    "     +*************=           +%%%%%%%%+             :+++++++++:",
    "    -***************-         *%%%%%%%%%%*           :+++++++++++:",
    "   .*****************.       =%%%%%%%%%%%%=         .+++++++++++++.",
    "   =**+=+*******+=+**=      .%%#%%%%%%%%#%%.        -+=----=++++++=",
    "   ***.-.........-.***      =%=::+*--*+::=%=        +-====---+***++",
    "  :**-.=#=.....=#=.=**:     ##-*#+::::+#*-##       .=-+*#*---*#**=+:",
    "  =**....-#:.:*-...:**-     %++*==*::*==*++%       :-=+:--*-*--:+=--",
    "  =*+....- ... =....**=    .%-+.+:-++-:+.+-%.      --+ #@-===:@# *--",
    "  +*+.. *@....:@* ..+*=    .%-= @+.**.+@ =-%.      --* #@-=*=-@# *--",
    "  =*=.. =% .=..%= ..=*=    .%:*.-.=++=.-.*:%.      :-=+:=:***:=:+=-:",
    "  =*=...  ..=..  ...=*-    .%:-*+++==+++*-:%.      .--=**+-+-+**=--.",
    "  :*+.......=.......+*:    .%-:::::==:::::-%.       ---------------",
    "  .*+.......:.......**     .%=:::::==:::::=%.       :-------------:",
    "   =*:.............:*=     .%*:::-#@@#-:::*%.        -=---------=-.",
    "   .*-..%#*+++*#%..=*.     .%%-:-@@@@@@-:-%%.        :+@%%###%%@+:",
    "    =*..*@@@@@@@*..*-      .%%*:%#+==+#%:*%%.         --+*###*+--",
    "     +=..#@@@@@*..==       .%%%+=::::::=+%%%.         .---------.",
    "      =-..+@@%+..-=        .%%%%*-::::-*%%%%.          .:-----:.",
    "       -=...:...=-         .%%%%%%*++*%%%%%%.            .:::.",
    "         --:::--           .****************.",
    ""]


def test_three_faces_look_as_they_always_did():
    for row, line in zip(np.hstack(draw_faces(ART, 24)[..., 0]), PICTURE,
                         strict=True):
        shades = np.array([SHADES.index(c) for c in f"{line:<72}"])
        # a shade is 25.6 wide; the last digit may differ elsewhere
        assert abs(row - (25.6 * shades + 12.3)).max() < 14


def test_pixels_are_covered_in_part():
    people = draw_people(20, 0)
    fine = draw_faces(people, 256).reshape(20, 32, 8, 32, 8).mean(axis=(2, 4))
    coarse = draw_faces(people)[..., 0]
    assert abs(fine - coarse).mean() < 3
    assert coarse.dtype == np.uint8 and coarse.shape == (20, 32, 32)


def test_faces_are_drawn_a_few_at_a_time():
    people = draw_people(2 * FEW + 1, 0)
    faces = draw_faces(people)
    assert faces.shape == (2 * FEW + 1, 32, 32, 1)
    for i in 0, FEW, 2 * FEW:
        assert (draw_faces(people.some(slice(i, i + 1)))[0] == faces[i]).all()
