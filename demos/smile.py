"""How can one set a face's smile, and know that it worked?

    python demos/smile.py

Draws 20,000 faces from known factors (common/faces.py), and trains a VAE on
them, with 32 numbers per code. A direction needs labels only, and how much
both groups smile: the mean code of the happy minus that of the sad. Where a
smile of t is asked for,

    z + (t - the smile that is read from z) * direction

is decoded; to read it, a linear map is fitted to the smiles of all faces. Did
it work? A small network reads all factors off a picture; and since faces are
drawn, the same person can be drawn with the other smile, and the edit be
compared with what it should be. The same is tried among pixels, with principal
components, with an autoencoder's codes, and along a curved path, whose price
is that all factors of all faces must be known.

Then the lesson: where those who smile also tend to be blond, to have long hair
and no glasses, "the smile" is all of that, unless you take care.

Three minutes on two cores; the pictures go to runs/smile.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np

from minivae import choose_device, conv_vae

from common.code_spaces import of_components, of_pixels, of_vae
from common.command_line import above_0, parser, run
from common.directions import (all_ways, cosine, curve, from_means, reading,
                               terms)
from common.edit_scores import Judge
from common.edits import OPENING, SMILE, curved, straight
from common.face_reader import learn_to_read, r_squared
from common.faces import draw_faces
from common.fit import fit
from common.own_folder import own_folder
from common.people import LONG, STYLES, draw_people
from common.smile_tables import (CONFOUNDED, EDITS, KNOWN, correlations,
                                 largest_other, print_edit, print_factors,
                                 print_numbers)
from common.strips import draw_strips, signed, strip

HELD_OUT = 300
COMPONENTS = 16, 64
READER_EPOCHS = 4
FOLLOW = 0.5          # the share in whom long hair, ... goes with a smile
MOUTHS = {"closed": -1, "half open": 0, "open": 1}
TITLES = {"means": "the mean code of the happy minus that of the sad",
          "balanced": "the same, with glasses and long hair balanced",
          "all factors": "the code, regressed on all factors",
          "the filter": "the trap: the smile, regressed on the code"}


def train(images, latent_dim, args, noise=True):
    """Train a VAE with so many numbers; without noise, an autoencoder.

    β and the width W of the pixels' Gaussian (losses.PIXEL_WIDTH) are one
    setting: the loss, β·KL + |x - m|²/2W² + a constant, is 1/W² times one
    with W = 1 and β·W². Adam takes no notice of the factor in front. A larger
    β lets codes forget: after ten epochs with --beta 4 other factors drift by
    .19, not .27; for brows are lost (R² .11, not .90), mouths' widths half.
    """
    name = f"{'VAE' if noise else 'autoencoder'}, {latent_dim}"
    vae = conv_vae(images.shape[1:], latent_dim, filters=16,
                   likelihood="continuous", rng=args.seed)
    return of_vae(name, fit(
        vae, images, epochs=args.epochs, noise=noise, beta=args.beta * noise,
        seed=args.seed, name=f"{name} numbers", xp=args.xp))


# ---- the tables ------------------------------------------------------------

def print_known(spaces, images, table, judge):
    """How much of each factor do a picture and its codes tell?"""
    print(KNOWN)
    print_factors({
        "the reader": r_squared(judge.read(judge.images), judge.table),
        **{space.name: judge.known(reading(space.encode(images), table), space)
           for space in spaces}})


def compare(spaces, images, table, judge):
    """Edit held-out faces in all spaces, print how well; return the edits."""
    print(EDITS.format(N=len(judge.images)))
    edits = {"drawn anew": judge.truth}
    print_edit("drawn anew", judge.look(judge.truth), 1, 0, 1)
    for space in spaces:
        codes = space.encode(images)
        read = reading(codes, table)
        way = from_means(codes, table[:, SMILE])
        own = {space.name: straight(space, [way], read, judge.images)}
        if space is spaces[-1]:
            own[f"{space.name}, curved"] = curved(
                space, curve(codes, table), read, judge.images)
        for name, edit in own.items():
            print_edit(name, judge.look(edit), judge.gap_closed(edit, space),
                       judge.off(edit), judge.known(read, space)[SMILE])
        edits |= own
    return edits


def confound(space, truth, people, judge):
    """The lesson of people in whom more goes with a smile; return edits.

    truth (D,) is the direction among people in whom nothing does.
    """
    table = people.table()
    codes = space.encode(draw_faces(people, judge.images.shape[1]))
    ways, read = all_ways(codes, people), reading(codes, table)
    edits = {name: straight(space, [way], read, judge.images)
             for name, way in ways.items()}
    print(CONFOUNDED.format(**correlations(table)))
    drifts = {name: judge.look(edit).systematic
              for name, edit in edits.items()}
    print_factors(drifts)
    print_numbers("largest other", map(largest_other, drifts.values()))
    print_numbers("cosine", [cosine(way, truth) for way in ways.values()])
    print("(the cosine is with the direction from independent factors)")
    return edits


# ---- the pictures ----------------------------------------------------------

def draw(args, edits, confounded, typed, judge):
    """Draw the four pictures."""
    people, smiles = judge.people, np.linspace(-1, 1, 5)
    line = list(edits.values())[-2]                # the VAE's straight one
    each = [np.argmax((people.style == style) & (people.hair > people.skin)
                      & (people.glasses == (style == 1)))
            for style in range(len(STYLES))]        # one of them has glasses
    # somebody with long hair and glasses to lose, and a mouth that is seen
    one = np.argmin(people.skin + people.opening + abs(people.hair)
                    + 9 * (people.style != LONG) - 9 * people.glasses)
    draw_strips(args.out / "smile.png", [("", np.concatenate([
        judge.images[[face]], strip(line, [face])])) for face in each],
        ["given", *signed()])
    draw_strips(args.out / "types.png", [
        (f"mouth: {name}", strip(typed, [0, 1], [
            (smile, opening) for smile in smiles]))
        for name, opening in MOUTHS.items()], 2 * signed(smiles))
    draw_strips(args.out / "ways.png", [
        (name, strip(edit, [one])) for name, edit in edits.items()],
        signed())
    draw_strips(args.out / "confounded.png", [
        (TITLES[name], strip(edit, [one]))
        for name, edit in confounded.items()], signed())


@own_folder
def main(args):
    args.xp, _ = choose_device(args.device)
    rng = np.random.default_rng(args.seed)
    people, held_out = draw_people(args.limit, rng), draw_people(HELD_OUT, rng)
    print(f"{args.limit:,} faces to learn from and {HELD_OUT} held out, "
          f"{args.size} x {args.size} pixels each")
    images, table = draw_faces(people, args.size), people.table()
    judge = Judge(learn_to_read(images, table, READER_EPOCHS, rng), held_out,
                  args.size)
    vaes = [train(images, D, args) for D in args.sizes]
    best = vaes[-1]
    spaces = [of_pixels(images.shape[1:]), *of_components(images, COMPONENTS),
              train(images, args.sizes[-1], args, noise=False), best]
    print_known(vaes, images, table, judge)
    edits = compare(spaces, images, table, judge)
    codes = best.encode(images)
    ways = [from_means(codes, table[:, factor]) for factor in (SMILE, OPENING)]
    confounded = confound(best, ways[0], draw_people(args.limit, rng, FOLLOW),
                          judge)
    typed = straight(best, ways, reading(codes, table), judge.images,
                     (SMILE, OPENING))
    draw(args, edits, confounded, typed, judge)
    print(f"""
A curved path has its price: all factors of all faces must be known, and for
each number of a code {terms(table[:1]).size} are fitted, where a line \
has one.

Look at {args.out / "confounded.png"}: if glasses, hair and style go with
a smile, they are in the difference of means, too; the direction from
regressing the code on all factors changes little but the mouth. smile.png has
faces as given and with seven smiles, types.png open and closed mouths,
ways.png one face in all spaces.""")


def parse_arguments():
    options = parser(__doc__, "runs/smile", limit=20000)
    add = options.add_argument
    add("--quick", action="store_true",
        help="3 epochs with 16 numbers per code, not 5 with 8, 16 and 32")
    add("--beta", type=above_0, default=1.0, metavar="B",
        help="weight of the KL (1)")
    add("--size", type=int, choices=(32, 48), default=32,
        help="pixels of a face, in height and width (32)")
    args = options.parse_args()
    args.epochs, args.sizes = (3, [16]) if args.quick else (5, [8, 16, 32])
    return args


if __name__ == "__main__":
    run(main, parse_arguments)
