"""What does the reparameterization trick buy? Measure the gradient without it.

    python demos/reparameterization.py

The ELBO is a mean of f(z) = log p(x|z) + log p(z) - log q(z|x) over draws of
z from q(z|x). Draw afresh for another mu, and f jumps: a draw has no
derivative. There are two ways out, both without bias:

    pathwise        draw eps, and let z = mu + sigma*eps: f is a smooth
                    function of mu and logvar, and the gradient goes through z
    score function  f times the gradient of log q(z|x) (REINFORCE; Williams
                    1992). It needs no derivative of f, and learns from each
                    draw only how good it was. As the gradient of log q is 0
                    in the mean, a baseline may be subtracted from f: here, f
                    at a second draw for the same image.

Three VAEs are trained on MNIST, whose encoders get one of these gradients
each; the decoder's needs no trick. (Before training, a baseline is even better
than the pathwise gradient: q(z|x) is close to the prior, and the decoder makes
the same of all z, so f hardly varies.) The pictures go to
runs/reparameterization:

    draws.png     f along mu[0]: with fresh draws, and with draws that stay
    variance.png  the variance of all three gradients in the VAE that is
                  trained pathwise; and how well the three VAEs learn

One to two minutes.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from minivae import (Adam, choose_device, conv_vae, gaussian_logpdf,
                     reparameterize)
from minivae.backend import get_xp, move, to_numpy
from minivae.data import load_mnist
from minivae.plots import pixels, save_frame
from minivae.train import epoch, evaluate
from minivae.vae import reparameterize_backward

from common.command_line import parser, run
from common.own_folder import own_folder

PATHWISE, SCORE, BASELINE = WAYS = (
    "pathwise", "score function", "with a baseline")
STYLES = dict(zip(WAYS, ("C0o-", "C3s--", "C1^-.")))
MOMENTS = 0, 10, 30, 100, 300             # steps, before the last
DRAWS = 10_000


# ---- two gradients ---------------------------------------------------------

class Draw(NamedTuple):
    """f (N,), and two gradients with respect to mu and logvar: (N, 2·D)."""

    f: object
    pathwise: object              # of f
    log_q: object                 # of log q(z|x), where z stays


def draw(vae, x, eps):
    """Compute f and its gradients; leave the decoder's for the loss."""
    xp, N = get_xp(x), len(x)
    f = vae.elbo(x, eps)
    logvar, dlogits, dz_prior = vae.cache
    # the loss is a mean over images, and has a minus
    dz = -N * vae.decoder.backward(-dlogits / N) + dz_prior
    dmu, dlogvar = reparameterize_backward(dz, logvar, eps)
    # −log q(z|x) = −log N(eps; 0, I) + Σ ½·logvar: so logvar gets ½, too
    pathwise = xp.concatenate([dmu, dlogvar + 0.5], axis=1)
    # with z − mu = σ·eps
    _, _, *log_q = gaussian_logpdf(xp.exp(0.5 * logvar) * eps, 0.0, logvar)
    return Draw(f, pathwise, xp.concatenate(log_q, axis=1))


def gradient(way, made, other_f):
    """Return a gradient of the ELBO, (N, 2·D), from a Draw.

    E[f] = ∫ f·q dz, and ∇q = q·∇log q. So ∇E[f] = E[f·∇log q] + E[∇f], where
    ∇f = −∇log q, as z stays; and E[∇log q] = ∫ ∇q dz = ∇1 = 0. For the same
    reason, what does not depend on this z may be subtracted from f.
    """
    if way == PATHWISE:
        return made.pathwise
    f = made.f - other_f if way == BASELINE else made.f
    return f[:, None] * made.log_q


def estimate(vae, image, draws):
    """Estimate an image's gradient many times: {way: (draws, 2·D)}."""
    many = vae.asarray(image[None].repeat(100, axis=0))
    rng, parts = np.random.default_rng(0), []
    for _ in tqdm(range(draws // 100), "draws", leave=False, disable=None,
                  delay=2):
        made = draw(vae, many, vae.noise(100, rng))
        # each draw's baseline is f at the one before it
        other_f = get_xp(many).roll(made.f, 1)
        parts.append([to_numpy(gradient(way, made, other_f)) for way in WAYS])
    return dict(zip(WAYS, map(np.concatenate, zip(*parts))))


def variances(vae, images, draws=200):
    """Return the variance of one draw's gradient, for each of WAYS.

    Summed over the numbers of mu and logvar, a mean over images.
    """
    found = [estimate(vae, image, draws) for image in images]
    return [np.mean([estimates[way].var(axis=0).sum() for estimates in found])
            for way in WAYS]


# ---- training --------------------------------------------------------------

def train(way, images, seed, watch, xp=np):
    """Train a VAE whose encoder gets a gradient of one kind; return it."""
    rng, more = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    vae = conv_vae(rng=rng).to(xp)
    adam = Adam(vae.params, learning_rate=1e-3)
    images, last = move(images, xp), -(-len(images) // 32)
    for x, eps in tqdm(epoch(vae, images, 32, rng), way, last, unit=" steps",
                       leave=False, disable=None):
        if adam.t in MOMENTS:
            watch(vae, adam.t)
        other_f = (vae.elbo(x, vae.noise(len(x), more)) if way == BASELINE
                   else None)
        dcode = gradient(way, draw(vae, x, eps), other_f)
        vae.encoder.backward_params(-dcode / len(x))
        adam.step(vae.grads)
    watch(vae, last)
    return vae.to(np)


def compare(data, seed, xp):
    """Train a VAE with each gradient, and watch them.

    Returns {step: variances} and the VAE that got the pathwise gradient, and
    {way: {step: test ELBO}}.
    """
    images, seen, elbos = data.test_images[:1000], {}, {}
    for way in WAYS:
        elbos[way] = of_way = {}

        def watch(vae, step, way=way, of_way=of_way):
            reconstruction, kl = evaluate(vae, images,
                                          vae.noise(len(images), 0))
            of_way[step] = reconstruction - kl
            if way == PATHWISE:
                seen[step] = variances(vae, images[:8])
        vae = train(way, data.train_images, seed, watch, xp)
        if way == PATHWISE:
            trained = vae
    return seen, trained, elbos


def draw_variance(path, seen, elbos):
    figure = Figure(figsize=(9, 4.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    last = list(seen.values())[-1]
    for k, (way, values) in enumerate(zip(WAYS, zip(*seen.values()))):
        left.plot(values, STYLES[way], label=way)
        right.plot(list(elbos[way].values()), STYLES[way])
        if k:
            left.annotate(f"{last[k] / last[0]:,.0f} times\nthe pathwise one",
                          (len(seen) - 1, last[k]), (0, (-34, 18)[k - 1]),
                          ha="right", textcoords="offset points", fontsize=9)
    left.set(yscale="log", title="variance of one draw's gradient,\n"
             "all in the VAE trained pathwise")
    right.set(ylim=(-320, None), title="test ELBO of three VAEs, nats")
    for ax in left, right:
        ax.set_xticks(range(len(seen)), [f"{step:,}" for step in seen])
        ax.set_xlabel("training step")
        ax.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save_frame(path, pixels(figure))


# ---- why a draw has no derivative ------------------------------------------

def along(vae, image, shifts, eps):
    """Return f where mu[0] is shifted: (S, n), for eps (S, n, D)."""
    x = vae.asarray(image[None].repeat(eps.shape[1], axis=0))
    mu, logvar = vae.encode(x)
    rows = []
    for shift, noise in zip(shifts, vae.asarray(eps)):
        shifted = mu + vae.asarray(shift * np.eye(1, mu.shape[1]))
        z = reparameterize(shifted, logvar, noise)
        rows.append(vae.log_p_x(x, vae.decode(z))[0] + gaussian_logpdf(z)[0]
                    - gaussian_logpdf(z, shifted, logvar)[0])
    return np.stack(rows)


def draw_draws(path, vae, image, reach=0.4, S=41, n=100):
    """Draw f along mu[0], with fresh draws and with draws that stay."""
    rng, shifts = np.random.default_rng(0), np.linspace(-reach, reach, S)
    kept = np.broadcast_to(rng.standard_normal((n, 2)), (S, n, 2))
    fresh = rng.standard_normal((S, n, 2))
    x = vae.asarray(image[None].repeat(n, axis=0))
    slopes = draw(vae, x, vae.asarray(kept[0])).pathwise[:, 0]
    mu = vae.encode(x)[0][0, 0]
    figure = Figure(figsize=(9, 4.2), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    f = along(vae, image, shifts, kept)
    for ax, some, title in ((axes[0], along(vae, image, shifts, fresh),
                             "drawn afresh for each mu[0]"),
                            (axes[1], f, "eps drawn once, z = mu + σ·eps")):
        ax.plot(mu + shifts, some.mean(axis=1), "k", linewidth=2.5,
                label=f"mean of {n} draws")
        for i, style in enumerate(("C0-", "C1--", "C2-.")):
            ax.plot(mu + shifts, some[:, i], style, linewidth=1,
                    label="single draws" if i == 0 else None)
        ax.set(title=title, xlabel="mu[0]")
    near = np.array([-0.1, 0.1])
    for i in range(3):
        axes[1].plot(mu + near, f[S // 2, i] + slopes[i] * near, "r",
                     linewidth=3, alpha=0.6,
                     label="pathwise gradient" if i == 0 else None)
    axes[0].set_ylabel("f, nats")
    axes[1].legend()
    save_frame(path, pixels(figure))


# ---- everything together ---------------------------------------------------

def print_runs(seen, elbos):
    print(f"{'':6}{'variance of one draw, pathwise VAE':^36}"
          f"{'test ELBO of each VAE':>28}\n{'step':>6}"
          + 2 * f"{'pathwise':>12}{'score':>12}{'baseline':>12}")
    for step, values in seen.items():
        print(f"{step:>6,}" + "".join(f"{v:>12,.1f}" for v in (
            *values, *(elbos[way][step] for way in WAYS))))
    pathwise, score, baseline = values
    print(f"""\
At the end the score function's variance is {score / pathwise:,.0f} times the
pathwise one; with a baseline, {baseline / pathwise:,.0f} times.""")


def print_means(estimates):
    """Print the mean of each gradient, and how well they agree."""
    gaps = []
    for way, drawn in estimates.items():
        print(f"  {way:<16}" + "".join(
            f"{m:>9.2f} +-{e:5.2f}"
            for m, e in zip(drawn.mean(axis=0), standard_error(drawn))))
        if way != PATHWISE:
            gap = drawn - estimates[PATHWISE]
            gaps.extend(gap.mean(axis=0) / standard_error(gap))
    print(f"""\
Their means differ from the pathwise ones by at most \
{max(map(abs, gaps)):.1f} standard errors;
{sum(abs(g) < 3 for g in gaps)} of {len(gaps)} by less than 3.""")


def standard_error(drawn):
    """Return the standard error of a mean over draws."""
    return drawn.std(axis=0) / len(drawn) ** 0.5


@own_folder
def main(args):
    data = load_mnist()
    data = data._replace(train_images=data.train_images[:args.limit])
    seen, trained, elbos = compare(data, args.seed,
                                   choose_device(args.device)[0])
    print_runs(seen, elbos)
    draw_variance(args.out / "variance.png", seen, elbos)
    image = data.test_images[0]
    print(f"""
The mean of {DRAWS:,} draws and its standard error, for one image, at the end:
{'':22}{'mu[0]':17}{'mu[1]':17}{'logvar[0]':17}logvar[1]""")
    print_means(estimate(trained, image, DRAWS))
    draw_draws(args.out / "draws.png", trained, image)
    print(f"""
In {args.out}:
  draws.png     f along mu[0], with fresh draws and with draws that stay
  variance.png  the variance of the gradients, and three VAEs' test ELBO

Look at {args.out / 'draws.png'}: where each mu[0] has its own draw, f
has no slope. With eps drawn once, it has one.""")


def parse_arguments():
    return parser(__doc__, "runs/reparameterization", limit=12800).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
