"""Why can an ordinary autoencoder not generate? Look at it on a spiral.

    python demos/spiral.py

Points lie near a spiral in the plane. Each is encoded as one number, its code
z, and decoded again: so a decoder is a curve, drawn as z runs along a line.
An autoencoder is trained to give back each point. It does, but its codes lie
wherever they like: draw new codes of similar size, and many decode to places
where there never was a point. The VAE has the same two networks; each code is
blurred by noise and pulled towards N(0, 1). So there are fewer gaps between
codes, and we know where to draw new ones from.

About fifteen seconds; the picture is runs/spiral/spiral.png. With seeds 0 to
5 the autoencoder generates 12 to 19 % of its points farther than 0.1 from the
spiral, the VAE 2 to 6 %.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import (VAE, Adam, Dense, ReLU, Sequential, gaussian_kl,
                     gaussian_logpdf, reparameterize)
from minivae.plots import pixels, save_frame
from minivae.vae import reparameterize_backward

from common.command_line import above_0, at_least, parser, run
from common.own_folder import own_folder

POINTS, NOISE = 1000, 0.02
BATCH, RATE = 100, 3e-3
SIGMA = 0.05        # of p(x|z): how far a decoded point may lie from its x
HIDDEN = 64


def spiral(t):
    """The true curve, for t in 0 ... turns: (N,) -> (N, 2)."""
    angle, radius = 2 * np.pi * t, 0.2 + 0.4 * t
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def network(inputs, outputs, rng, dtype):
    settings = {"rng": rng, "dtype": dtype}
    return Sequential([Dense(inputs, HIDDEN, **settings), ReLU(),
                       Dense(HIDDEN, HIDDEN, **settings), ReLU(),
                       Dense(HIDDEN, outputs, **settings)])


def build(rng, dtype=np.float32):
    """Encoder: a point to mu and logvar. Decoder: z to a point."""
    return VAE(network(2, 2, rng, dtype), network(1, 2, rng, dtype))


def loss_and_grads(vae, x, eps, variational):
    """Minus the ELBO in nats, a mean over x (N, 2), and its gradients.

    log p(x|z) is Gaussian with a fixed SIGMA: a squared distance, in SIGMAs.
    The ordinary autoencoder is the same without noise and without the KL.
    """
    N, beta = len(x), float(variational)
    mu, logvar = vae.encode(x)
    eps = beta * eps
    y = vae.decode(reparameterize(mu, logvar, eps))              # (N, 2)
    log_p, _, dy, _ = gaussian_logpdf(x, y, 2 * math.log(SIGMA))
    kl, kl_dmu, kl_dlogvar = gaussian_kl(mu, logvar)

    # Backwards from loss = 1/N Σ [KL − log p(x|z)]; mu and logvar feed both
    # terms, so their gradients add up
    dz = vae.decoder.backward(-dy / N)
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    vae.encoder.backward(np.concatenate(
        [dmu + beta * kl_dmu / N, dlogvar + beta * kl_dlogvar / N], axis=1))
    return (beta * kl - log_p).mean(), vae.grads


def train(points, variational, steps, seed):
    rng = np.random.default_rng(seed)
    vae = build(rng)
    adam = Adam(vae.params, RATE)
    name = "VAE" if variational else "autoencoder"
    for step in tqdm(range(steps), name, leave=False, disable=None):
        adam.learning_rate = RATE * (1 - step / steps)     # falls to 0
        x = points[rng.integers(len(points), size=BATCH)]
        eps = vae.noise(BATCH, rng)
        _, grads = loss_and_grads(vae, x, eps, variational)
        adam.step(grads)
    return vae


def distance(points, curve):
    """From each point (N, 2) to the nearest one on a fine curve: (N,)."""
    gaps = points[:, None] - curve                         # (N, M, 2)
    return np.sqrt((gaps ** 2).sum(axis=2)).min(axis=1)


@own_folder
def main(args):
    rng = np.random.default_rng(args.seed)
    t = args.turns * rng.random(POINTS)
    points = spiral(t) + NOISE * rng.standard_normal((POINTS, 2))
    points = points.astype(np.float32)
    curve = spiral(np.linspace(0, args.turns, 1000))

    figure = Figure(figsize=(10, 8.4), dpi=100, layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=[3, 1])
    print("distance to the spiral      of decoded training points   "
          "of generated ones   farther than 0.1")
    off = {}
    for (ax, below), variational in zip(axes.T, (False, True)):
        vae = train(points, variational, args.steps, args.seed)
        codes, _ = vae.encode(points)                      # (POINTS, 1)
        # The VAE's codes were pulled towards N(0, 1). The autoencoder's
        # follow no law: the best guess is a normal with their mean and spread.
        mean, spread = (0, 1) if variational else (codes.mean(), codes.std())
        z = mean + spread * rng.standard_normal((POINTS, 1))
        generated = vae.decode(vae.asarray(z))
        far = distance(generated, curve)
        near = distance(vae.decode(codes), curve)
        name = "VAE" if variational else "autoencoder"
        off[name] = (far > 0.1).mean()
        print(f"{name:<28}{near.mean():26.3f}{far.mean():20.3f}"
              f"{off[name]:19.0%}")

        line = mean + spread * np.linspace(-3, 3, 2000)[:, None]
        draw(ax, points, curve, vae.decode(vae.asarray(line)), generated, far)
        ax.set_title(f"{name}: generated points are {far.mean():.3f} off on "
                     f"average,\n{off[name]:.0%} of them by more than 0.1")
        draw_codes(below, codes[:, 0], line[:, 0], mean, spread)
    handles, labels = zip(*(ax.get_legend_handles_labels()
                            for ax in axes[:, 0]))
    figure.legend(sum(handles, []), sum(labels, []), ncols=4, frameon=False,
                  loc="outside lower center", markerscale=2)
    save_frame(args.out / "spiral.png", pixels(figure))
    print(f"""
Look at {args.out / 'spiral.png'}: both decoders are curves along the spiral;
{off['autoencoder']:.0%} of what the autoencoder generates lies off it, \
{off['VAE']:.0%} of what the VAE does.""")


def draw(ax, points, curve, decoded, generated, far):
    ax.plot(*curve.T, color="0.75", linewidth=6, label="the true spiral")
    ax.scatter(*points.T, s=3, color="0.45", label="training points")
    ax.plot(*decoded.T, color="k", linewidth=0.7,
            label="decoded, z along a line")
    for marks, colour, label in ((far <= 0.1, "C0", "generated, near"),
                                 (far > 0.1, "C1", "generated, > 0.1 off")):
        ax.scatter(*generated[marks].T, s=8, color=colour, label=label,
                   zorder=3)
    reach = 1.35 * abs(curve).max()
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(-reach, reach),
           ylim=(-reach, reach))


def draw_codes(ax, codes, line, mean, spread):
    ax.hist(codes, bins=60, range=(line[0], line[-1]), density=True,
            color="0.6", label="codes of the training points")
    density = np.exp(-0.5 * ((line - mean) / spread) ** 2) / (
        spread * math.sqrt(2 * math.pi))
    ax.plot(line, density, "C3", label="new codes are drawn from this")
    ax.set(xlabel="z", yticks=[], ylabel="density")


def parse_arguments():
    options = parser(__doc__, "runs/spiral")
    add = options.add_argument
    add("--turns", type=above_0, default=1.25, metavar="TURNS",
        help="turns of the spiral, at most 10 (1.25)")
    add("--steps", type=at_least(1), default=5000, metavar="N",
        help="training steps for each of the two (5000)")
    add("--seed", type=at_least(0), default=0, metavar="N",
        help="seed of all random numbers (0)")
    args = options.parse_args()
    if args.turns > 10:
        options.error(f"--turns is {args.turns}, but at most 10 were expected")
    return args


if __name__ == "__main__":
    run(main, parse_arguments)
