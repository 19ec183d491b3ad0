"""What does the bound mean, and how far is it from what it bounds?

    python demos/elbo.py

Three questions, three pictures in runs/elbo:

    collapse.png    Reconstruction and KL during training, and what happens
                    if the KL costs too much (beta): codes are given up, until
                    all images have the same. That is posterior collapse. If
                    beta grows slowly (warm-up), codes first become worth their
                    price. (Higgins et al. 2017; Bowman et al. 2016)
    estimators.png  The KL has a closed form, so why estimate it from the one
                    drawn code? Both estimates of the ELBO have the same mean.
                    In an untrained model the closed form varies less. In a
                    trained one it varies more: where a code is unlikely, both
                    log p(x|z) and log q(z|x) are low, and partly cancel; if
                    q(z|x) were p(z|x), completely. (Roeder et al. 2017)
    bound.png       log p(x) itself: in a plane one can integrate p(x|z)*p(z)
                    over a fine grid. The ELBO lies below it; means over k
                    codes rise towards it, slowly where the encoder's cloud
                    misses the codes that explain x best. (Burda et al. 2016)

One to three minutes. train_fashion.py and train_mnist.py take --beta and
--warmup, too.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import math
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import choose_device, conv_vae, gaussian_kl, load_pretrained
from minivae.data import load_fashion_mnist, load_mnist
from minivae.extras.likelihood import log_likelihood
from minivae.plots import decode, encode, pixels, save_frame, show, tile
from minivae.train import evaluate

from common.command_line import at_least, parser, run
from common.fit import fit
from common.own_folder import own_folder

DRAWS = 2000
KS = 1, 5, 50, 500, 5000


# ---- collapse --------------------------------------------------------------

class Run(NamedTuple):
    """A trained VAE, and its terms on test images during training."""

    vae: object
    steps: list
    reconstruction: list
    kl: list
    spread: np.ndarray         # variance of each number's mean, (D,), sorted

    @property
    def active(self):
        """How many numbers of a code differ noticeably between images.

        Burda et al. 2016, section 5.
        """
        return int((self.spread > 0.01).sum())


def train(images, test_images, seed, beta, warmup, xp):
    vae = conv_vae(latent_dim=16, rng=seed)
    eps = vae.noise(len(test_images), seed)
    steps, terms = [], []

    def watch(step):
        if step % max(1, len(images) // 32 // 25) == 0:
            steps.append(step)
            terms.append(evaluate(vae, test_images, eps))
    fit(vae, images, beta=beta, warmup=warmup, seed=seed, watch=watch,
        name=f"beta {beta}, warm-up {warmup}", xp=xp)
    spread = np.sort(encode(vae, test_images).var(axis=0))[::-1]
    return Run(vae, steps, *map(list, zip(*terms)), spread)


def draw_collapse(path, runs, some):
    figure = Figure(figsize=(13, 8), dpi=100, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.1, 1])
    left, middle, right = above.subplots(1, 3)
    for (name, run_), style in zip(runs.items(), ("-", "--", "-.", ":")):
        left.plot(run_.steps, run_.reconstruction, style, label=name)
        middle.plot(run_.steps, run_.kl, style)
        right.semilogy(range(1, 17), run_.spread, style, marker="o",
                       markersize=3)
    right.axhline(0.01, color="k", linewidth=0.8)
    right.set(title="how much each number varies",
              xlabel="the 16 numbers of a code, sorted",
              ylabel="variance of its mean", ylim=(1e-4, 10))
    right.text(1, 0.008, "active: above 0.01", va="top", fontsize=9)
    left.set(title="reconstruction, nats", xlabel="step")
    middle.set(title="KL, nats", xlabel="step")
    middle.legend(left.get_lines(), runs, fontsize=9, loc="upper left")
    for ax in left, middle, right:
        ax.grid(alpha=0.3)
    axes = below.subplots(1 + len(runs), 1)
    show(axes[0], tile(some, len(some)))
    axes[0].set_ylabel("test images", rotation=0, ha="right", va="center")
    for ax, (name, run_) in zip(axes[1:], runs.items()):
        show(ax, tile(decode(run_.vae, encode(run_.vae, some)), len(some)))
        ax.set_ylabel(f"{name}:\nKL {run_.kl[-1]:.1f}, {run_.active} of 16 "
                      "active", rotation=0, ha="right", va="center")
    save_frame(path, pixels(figure))


# ---- two estimators --------------------------------------------------------

def estimate(vae, image):
    """Estimate one image's ELBO from DRAWS codes, in both ways: two arrays."""
    many = vae.asarray(np.repeat(image[None], 100, axis=0))
    kl, _, _ = gaussian_kl(*vae.encode(many))
    rng, sampled, closed = np.random.default_rng(0), [], []
    for _ in range(DRAWS // 100):
        reconstruction, kl_of_draw = vae.elbo_terms(many, vae.noise(100, rng))
        sampled.append(reconstruction - kl_of_draw)
        closed.append(reconstruction - kl)
    return np.concatenate(sampled), np.concatenate(closed)


def draw_estimators(path, models, image):
    figure = Figure(figsize=(11, 4.4), dpi=100, layout="constrained")
    print("\nOne image's ELBO, estimated from one code "
          "(mean +- standard deviation):")
    for ax, (name, vae) in zip(figure.subplots(1, len(models)),
                               models.items()):
        estimates = dict(zip(("KL from the drawn code", "KL in closed form"),
                             estimate(vae, image)))
        every = np.concatenate(list(estimates.values()))
        bins = np.linspace(*np.percentile(every, [0.5, 99.8]), 50)
        for (kind, values), style in zip(estimates.items(), (
                {"color": "C0", "alpha": 0.5},
                {"color": "k", "histtype": "step", "linewidth": 1.5})):
            label = f"{kind}: {values.mean():.1f} +- {values.std():.2f}"
            ax.hist(values, bins, label=label.replace("+-", "±"), **style)
            print(f"  {name:<17}{label}")
        ax.axvline(every.mean(), color="C3", linewidth=1)
        ax.margins(y=0.35)                               # for the legend
        ax.set(title=name, xlabel="ELBO of one image, nats",
               ylabel=f"count, of {DRAWS:,} draws")
        ax.legend(fontsize=9, loc="upper left")
    save_frame(path, pixels(figure))


# ---- the bound and what it bounds ------------------------------------------

def exact_log_likelihood(vae, images, step=0.05, reach=6.0):
    """Integrate p(x|z)·p(z) over the plane: log p(x), (N,), in nats.

    A sum over a grid is exact to many digits as long as its step is not
    much wider than the posterior, and no code lies beyond its reach.
    """
    x = images.reshape(len(images), -1).astype(np.float32)       # (N, 784)
    line = np.arange(-reach, reach + step / 2, step)
    total = np.full(len(x), -np.inf)
    for row in tqdm(line, "the integral", leave=False, disable=None):
        z = np.stack([line, np.full(len(line), row)], axis=1)    # (M, 2)
        logits = vae.decode(vae.asarray(z)).reshape(len(z), -1)
        # log p(x|z) = Σ x·l − log(1 + eˡ), see losses.bernoulli_logpdf
        log_p_x = x @ logits.T - np.logaddexp(0, logits).sum(axis=1)
        log_p_z = -0.5 * (z ** 2).sum(axis=1) - math.log(2 * math.pi)
        log_p = log_p_x + log_p_z                                # (N, M)
        top = log_p.max(axis=1)
        total = np.logaddexp(total, top + np.log(
            np.exp(log_p - top[:, None]).sum(axis=1)))
    return total + 2 * math.log(step)


def measure(name, vae, images):
    """Print the ELBO, with its standard error, and log p(x); return both.

    Both (N,), of each image in its own right.
    """
    eps = vae.noise(len(images), 0)
    elbo = np.concatenate([
        vae.elbo(vae.asarray(images[i:i + 100]), eps[i:i + 100])
        for i in range(0, len(images), 100)])
    exact = exact_log_likelihood(vae, images)
    error = elbo.std() / math.sqrt(len(images))
    print(f"  {name:<14}ELBO {elbo.mean():.1f} +- {error:.1f}, "
          f"log p(x) {exact.mean():.1f}: the bound lies "
          f"{(exact - elbo).mean():.2f} below")
    return elbo, exact


def draw_bound(path, vae, images, exact):
    """Draw means over k codes, for every k, and the true log p(x)."""
    means, errors = [], []
    print(f"\nThe bound from k codes, on {len(images)} test images:")
    for k in tqdm(KS, "codes", leave=False, disable=None):
        below = exact - log_likelihood(vae, vae.asarray(images), k, k)
        means.append(below.mean())
        errors.append(below.std() / math.sqrt(len(images)))
        tqdm.write(f"  k = {k:>5,}   {exact.mean() - means[-1]:.2f}: "
                   f"{means[-1]:.2f} +- {errors[-1]:.2f} below log p(x)")
    figure = Figure(figsize=(7.5, 4.6), dpi=100, layout="constrained")
    ax = figure.subplots()
    ax.axhline(exact.mean(), color="k", linestyle="--",
               label="log p(x), integrated")
    ax.errorbar(KS, exact.mean() - np.array(means), errors, marker="o",
                capsize=4, label="bound from k codes, and the standard "
                "error of its gap")
    ax.annotate("the ELBO", (1, exact.mean() - means[0]), (12, -4),
                textcoords="offset points")
    ax.set(xscale="log", xlabel="k", ylabel="nats per image",
           title="More codes, a tighter bound")
    ax.set_xticks(KS, [f"{k:,}" for k in KS])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    data, vae = load_mnist(), load_pretrained("mnist")
    few = data.train_images[:args.limit]
    xp, _ = choose_device(args.device)
    print("Trained with 16 numbers per code. Active are those whose mean "
          "varies from\nimage to image, if only by a tenth of the prior's "
          "sigma; the KL says how much\nthey tell:")
    runs = {}
    for beta, warmup in (1, 0), (10, 0), (10, 400), (30, 0):
        name = f"beta {beta}" + f", warm-up {warmup}" * (warmup > 0)
        runs[name] = r = train(few, data.test_images[:1000], args.seed, beta,
                               warmup, xp)
        print(f"  {name:<21}reconstruction {r.reconstruction[-1]:.1f}, "
              f"KL {r.kl[-1]:.1f}, {r.active} of 16 numbers active")
    draw_collapse(args.out / "collapse.png", runs,
                  data.test_images[data.grey_index[::5]])
    draw_estimators(args.out / "estimators.png", {
        "before training": conv_vae(latent_dim=16, rng=args.seed),
        "trained": runs["beta 1"].vae}, data.test_images[0])

    images = data.test_images
    print(f"\nThe models that ship, on all {len(images):,} test images "
          "(+- one standard error):")
    _, exact = measure("MNIST", vae, images)
    measure("Fashion-MNIST", load_pretrained("fashion"),
            load_fashion_mnist().test_images)
    every = max(1, len(images) // args.images)
    draw_bound(args.out / "bound.png", vae, images[::every], exact[::every])
    print(f"""
Look at {args.out / 'bound.png'}: the ELBO is a lower bound on log p(x);
the more codes are drawn, the tighter the bound.""")


def parse_arguments():
    options = parser(__doc__, "runs/elbo", limit=20000)
    options.add_argument("--images", type=at_least(2, 10000), default=50,
                         metavar="N", help="test images for the bound from "
                         "many codes (50)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
