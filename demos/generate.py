"""What can one do with a trained VAE, without training?

    python demos/generate.py samples                 new images
    python demos/generate.py landscape               the plane of codes
    python demos/generate.py reconstruct 0 1 A.png   through the code and back
    python demos/generate.py interpolate 3 A.png     from one to the other

--model names the folder of a run, such as runs/fashion, or a model.npz, or
one of the models that ship with minivae: fashion, the default, or mnist.
(samples --kind gan, discrete, vqvae or pixelcnn are those of its relatives.)
Images are given as PNG or JPEG files of any size, dark on light (else add
--invert), or as numbers: indices into the test set.

The picture goes to runs/generate; --out names another file: a .png, or a .gif,
in which samples and interpolations move.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import argparse
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from minivae.data import binarize, to_float
from minivae.extras.explorer.paths import spherical, straight
from minivae.extras.figures.gif import save_gif
from minivae.extras.figures.rows import save_images, save_samples
from minivae.extras.images.pictures import read_picture
from minivae.plots import decode, draw_landscape, encode, save_frame, tile

from common.command_line import a_name, a_path, at_least, run
from common.models import SHIPPED, find_model
from common.relatives import RELATIVES, relative

WALK = 8             # samples that a GIF walks through
COLUMNS = 40         # for a way in a picture, at most: more fill a page
FRAMES = 1000        # in a GIF, at most: more take long, and many megabytes

# what can be made as which file, and the options that matter then
USES = {("samples", ".png"): {"seed"},
        ("samples", ".gif"): {"seed", "steps"},
        ("landscape", ".png"): set(),
        ("reconstruct", ".png"): {"invert"},
        ("interpolate", ".png"): {"steps", "invert"},
        ("interpolate", ".gif"): {"steps", "invert", "arc"}}


# ---- what can be made ------------------------------------------------------

def samples(args, vae):
    rng = np.random.default_rng(args.seed)
    if args.kind:
        images = relative(args.model, args.kind).draw(100, rng)
        save_frame(args.out, enlarged(tile(images, 10)[None], 3)[0])
        return f"100 draws of a {RELATIVES[args.kind]}"
    if args.out.suffix == ".png":
        save_samples(args.out, vae, rng)
        return "100 new images: codes drawn from the prior, decoded"
    z = rng.standard_normal((WALK, vae.latent_dim))
    walk(args, vae, [*z, z[0]], spherical)
    return f"a walk through {WALK} samples, and back to the first"


def landscape(args, vae):
    save_frame(args.out, draw_landscape(vae, "The landscape"))
    return "what each point of the latent plane decodes to"


def reconstruct(args, vae):
    at_most(COLUMNS, len(args.images), "images in a picture")
    x = given(args, vae, 1)
    rows = {"given": to_float(x), "decoded": decode(vae, encode(vae, x))}
    save_images(args.out, rows, names(args),
                f"Through {vae.latent_dim} numbers and back")
    return (f"{len(x)} image{'s' * (len(x) > 1)}, and what the code of each "
            "decodes to")


def interpolate(args, vae):
    if args.out.suffix == ".png":
        at_most(COLUMNS, (len(args.images) - 1) * args.steps,
                "images in a row of the picture")
    codes = encode(vae, given(args, vae, 2))
    if args.out.suffix == ".gif":
        walk(args, vae, codes, spherical if args.arc else straight)
    else:
        ways = {"straight": straight, "on an arc": spherical}
        between = [""] * (args.steps - 2)
        columns = [column for a, b in pairwise(names(args))
                   for column in (a, *between, b)]
        save_images(args.out, {
            name: decode(vae, along(codes, way, args.steps))
            for name, way in ways.items()}, columns,
            "From image to image, along paths between their codes")
    return f"a path through the codes of {len(codes)} images"


DEFAULTS = {"steps": 12, "arc": False, "invert": False, "seed": 0}
MAKE = {make.__name__: make
        for make in (samples, landscape, reconstruct, interpolate)}


def along(codes, way, steps):
    """Codes on the path from each of codes (n, D) to the next."""
    return np.concatenate([way(a, b, steps)
                           for a, b in pairwise(codes)])


def walk(args, vae, codes, way):
    """Save a GIF of what is decoded along the path, eight times as large."""
    at_most(FRAMES, (len(codes) - 1) * args.steps, "pictures in a GIF")
    images = decode(vae, along(codes, way, args.steps))
    save_gif(args.out, list(enlarged(images, 8)), milliseconds=80,
             at_the_end=80)


def enlarged(images, times):
    """Images (N, H, W, C) in 0..1 as bytes, each pixel a square."""
    images = 255 * images
    if images.shape[-1] == 1:
        images = 255 - images[..., 0]                   # ink is dark
    return images.round().astype(np.uint8).repeat(times, 1).repeat(times, 2)


def at_most(limit, count, what):
    if count > limit:
        raise ValueError(f"there would be {count:,} {what}, but at most "
                         f"{limit:,} are drawn; give fewer images or --steps")


def check_options(args):
    """Refuse an option that would be ignored; give the others defaults."""
    kind = args.out.suffix
    if kind not in (".png", ".gif"):
        raise ValueError(f"{args.out} is neither a .png nor a .gif file; name "
                         "one of these with --out")
    if (args.what, kind) not in USES:
        raise ValueError(f"{args.out}: {args.what} makes a picture that does "
                         "not move; name a .png file")
    if args.images and args.what in ("samples", "landscape"):
        raise ValueError(f"{args.what} takes no images, but was given "
                         f"{' '.join(args.images)}")
    uses = USES[args.what, kind]
    if all(name.isdecimal() for name in args.images):   # nothing to invert
        uses = uses - {"invert"}
    for name, default in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif name not in uses:
            raise ValueError(f"--{name} has no effect on what {args.what} "
                             f"makes of this as a {kind} file; leave it out")


def check_kind(args):
    """Refuse what a relative of the VAE cannot do."""
    if args.kind and (args.what != "samples" or args.out.suffix != ".png"
                      or args.model not in SHIPPED):
        raise ValueError(f"of a {RELATIVES[args.kind]} there are samples as a "
                         f".png file only, with --model "
                         f"{' or '.join(SHIPPED)}; leave out --kind")


# ---- what is given ---------------------------------------------------------

def names(args):
    return [Path(name).name[-12:] for name in args.images]


def given(args, vae, fewest):
    """Return the images that were given, as the model takes them."""
    if len(args.images) < fewest:
        raise ValueError(f"{args.what} needs at least {fewest} image"
                         f"{'s' * (fewest > 1)}: PNG or JPEG files, or "
                         "numbers of test images")
    return np.stack([a_test_image(args, int(name)) if name.isdecimal()
                     else a_picture(args, vae, Path(name))
                     for name in args.images])


def a_test_image(args, place):
    images = args.load_data().test_images
    if place >= len(images):
        raise ValueError(f"there is no test image {place}; the last one is "
                         f"{len(images) - 1}")
    return images[place]


def a_picture(args, vae, path):
    H, W, C = args.image_shape
    image = read_picture(path, (H, W)).colours               # (H, W, 3)
    if image.max() == 1:               # black and white, as 0 and 1
        image = 255 * image
    if C == 1:                         # grey, with ink where it is dark
        grey = image.mean(axis=2, keepdims=True)
        image = 255 - grey.round().astype(np.uint8)
    if args.invert:
        image = 255 - image
    return binarize(image) if vae.likelihood == "bernoulli" else image


def main(args):
    args.out = args.out or Path(f"runs/generate/{args.what}.png")
    check_options(args)
    check_kind(args)
    found = find_model(args.model)
    vae, args.load_data = found.vae, cache(found.load_data)
    args.image_shape = vae.decode(vae.noise(1, 0)).shape[1:]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    made = MAKE[args.what](args, vae)
    print(f"Look at {args.out}: {made}.")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("what", choices=MAKE, help="what to make")
    add("images", nargs="*", metavar="IMAGE",
        help="a PNG or JPEG file, or the number of a test image")
    add("--model", type=a_name, default="fashion", metavar="MODEL",
        help="a run's folder, a model.npz, fashion (the default) or mnist")
    add("--kind", choices=RELATIVES, help="samples of one of the VAE's "
        "relatives, which ship for fashion and mnist")
    add("--out", type=a_path, metavar="FILE", help="a .png or .gif file")
    add("--steps", type=at_least(2), metavar="N",
        help="images from one to the next (12)")
    add("--arc", action="store_true", default=None,
        help="let a GIF follow an arc around 0, not a line")
    add("--invert", action="store_true", default=None,
        help="given pictures are light on dark")
    add("--seed", type=at_least(0), metavar="N",
        help="seed of the samples (0)")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    run(main, parse_arguments)
