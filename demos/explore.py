"""What is it like to walk through a latent space?

    python demos/explore.py                                the model of clothes
    python demos/explore.py --model runs/mnist             one of yours

Writes a page, explorer.html, with the decoder inside, and opens it in your
browser: move over the plane, and see what each code decodes to. It needs no
server and no network, and can be sent by mail. The checkpoint beside a model
says what its images were, and how its landscape grew. Of Fashion-MNIST and
MNIST, there are draws of other models, too (minivae/beyond). With
--matplotlib, a window shows the plane.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import argparse
import webbrowser
from pathlib import Path

from tqdm import tqdm

from minivae.extras.explorer import Frame, write_page
from minivae.extras.explorer.window import open_window
from minivae.extras.figures.frames import bare_landscape, from_png, title_of

from common.command_line import a_name, a_path, run
from common.models import SHIPPED, find_model
from common.relatives import RELATIVES, relative

DRAWS = 60                   # of each relative
PAGE = Path("runs/explore/explorer.html")


def main(args):
    vae, title, load_data, pngs = find_model(args.model)
    try:
        data = load_data()
    except ValueError as problem:
        print(f"note: no test images are shown: {problem}")
        data = None
    if args.matplotlib:
        import matplotlib.pyplot as plt
        open_window(vae, title, data)
        plt.show()
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    frames = [Frame(title_of(png), bare_landscape(from_png(png)))
              for png in pngs]
    count = write_page(args.out, vae, title, data, frames, draws(title))
    print(f"""\
{args.out}: {args.out.stat().st_size / 1e6:.2f} MB,
with {count:,} test images and {len(frames)} pictures of training

Look at {args.out} in a browser: move over the plane,
and its codes become images.""")
    if args.open:
        webbrowser.open(args.out.resolve().as_uri())


def draws(title):
    """Return what the relatives draw that know the same images, by name."""
    names = [name for name, images in SHIPPED.items() if images == title]
    bar = tqdm([(name, kind) for name in names for kind in RELATIVES],
               "draws", leave=False, disable=None)
    return {RELATIVES[kind]: relative(name, kind).draw(DRAWS, 0)
            for name, kind in bar}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=a_name, default="fashion", metavar="MODEL",
        help="a run's folder, a model.npz, fashion (the default) or mnist")
    add("--out", type=a_path, metavar="FILE",
        help=f"the page ({PAGE.as_posix()})")
    add("--no-open", dest="open", action="store_false",
        help="only write the page")
    add("--matplotlib", action="store_true",
        help="open a window instead of writing a page")
    args = parser.parse_args()
    if args.matplotlib and (args.out or not args.open):
        parser.error("--matplotlib opens a window and writes no page; leave "
                     "out --out and --no-open")
    args.out = args.out or PAGE
    return args


if __name__ == "__main__":
    run(main, parse_arguments)
