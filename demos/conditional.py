"""How does one ask a VAE for a seven?

    python demos/conditional.py

Gives the decoder the label beside the code. Then z need not say which digit
it is, and with two numbers it cannot afford to: it says how it is written. So
one can choose the label, and the same z is the same handwriting in all ten
digits. (Kingma et al. 2014, model M2; Sohn et al. 2015.) All that it takes is
a layer that puts ten numbers beside z. The bound is now on log p(x|label);
nothing else in its gradient changes. (Try --latent-dim 8: there is room in z
for the digit, too, and the label loses its influence.)

Half a minute to a minute and a half; the picture is
runs/conditional/styles.png.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import VAE, Adam, Layer, Sequential, choose_device, conv_vae
from minivae.backend import get_xp
from minivae.data import load_mnist
from minivae.plots import pixels, save_frame, show, tile
from minivae.train import train_step

from common.command_line import at_least, parser, run
from common.nearest import nearest
from common.own_folder import own_folder

CLASSES = 10


class BesideLabel(Layer):
    """Codes z (N, D) -> (N, D + CLASSES): each beside its one-hot label."""

    labels = None                  # (N,): to be set before each forward

    def __init__(self, latent_dim):
        super().__init__()
        self.in_features = latent_dim

    def forward(self, z):
        xp = get_xp(z)
        one_hot = xp.eye(CLASSES, dtype=z.dtype)[xp.asarray(self.labels)]
        return xp.concatenate([z, one_hot], axis=1)

    def backward(self, dy):
        return dy[:, :self.in_features]       # labels need no gradient


def build(D, rng):
    label = BesideLabel(D)
    decoder = conv_vae(latent_dim=D + CLASSES, rng=rng).decoder
    return VAE(conv_vae(latent_dim=D, rng=rng).encoder,
               Sequential([label, *decoder.layers])), label


def train(images, labels, D, rng, xp):
    vae, label = build(D, rng)
    vae.to(xp)
    adam, order = Adam(vae.params), rng.permutation(len(images))
    starts = range(0, len(images), 32)
    for start in tqdm(starts, "training", unit=" steps", leave=False,
                      disable=None):
        part = order[start:start + 32]
        adam.learning_rate = 4e-3 * (1 - adam.t / len(starts))
        label.labels = labels[part]
        x = vae.asarray(images[part])
        train_step(vae, adam, x, vae.noise(len(x), rng))
    return vae.to(np), label


def write(vae, label, z):
    """Decode each of z (n, D) as all ten digits: (n·10, H, W, C)."""
    label.labels = np.tile(np.arange(CLASSES), len(z))
    return vae.decode(np.repeat(z, CLASSES, axis=0), apply_sigmoid=True)


@own_folder
def main(args):
    data, rng = load_mnist(), np.random.default_rng(args.seed)
    vae, label = train(data.train_images[:args.limit],
                       data.train_labels[:args.limit], args.latent_dim, rng,
                       choose_device(args.device)[0])
    few = data.grey_index[5::10]                        # one of each class
    given = vae.asarray(data.test_images[few])
    own, _ = vae.encode(given)
    drawn = vae.noise(100, rng)
    place, _ = nearest(write(vae, label, drawn), data.train_images)
    as_asked = data.train_labels[place] == label.labels

    figure = Figure(figsize=(13, 6.6), dpi=100, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 10, 10])
    show(left, tile(given, 1), "given")
    show(middle, tile(write(vae, label, own), CLASSES),
         "in its handwriting: z from the encoder, each label")
    show(right, tile(write(vae, label, drawn[:10]), CLASSES),
         "in nobody's handwriting: z from the prior, each label")
    save_frame(args.out / "styles.png", pixels(figure))
    print(f"""\
Of {len(as_asked):,} digits asked for, with codes drawn from the prior, \
{as_asked.mean():.0%} are most
like real images of that digit.

Look at {args.out / 'styles.png'}: each row is one code, decoded with
ten labels. With two numbers in a code, slant and width stay, and the digit is
the one asked for, except from the code of a wide digit: a wide "1" is a blot,
since there was none to learn from.""")


def parse_arguments():
    options = parser(__doc__, "runs/conditional", limit=60000)
    options.add_argument("--latent-dim", type=at_least(1, 784), default=2,
                         metavar="D", help="numbers in a code (2)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
