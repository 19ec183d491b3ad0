"""How does the gradient flow back through a VAE? Follow it on one image.

    python demos/backpropagation.py

Encodes a test image of MNIST with the model that ships with minivae, draws a
code, decodes it, and goes back through the same graph, step by step, as
VAE.loss_and_grads does. Every gradient on the way is compared with finite
differences, those of the parameters with loss_and_grads' own.

Look at logvar: the loss depends on it in two ways, and its gradient is a sum.
A larger logvar lowers log q(z|x) directly: that side is -1/2 for every image,
and asks for a wider cloud of codes. It also moves z away from mu: that side
depends on eps and on what the decoder makes of z. Where a cloud has the right
width, it is 1/2 in the mean over eps, and the two cancel.

The picture is runs/backpropagation/graph.png.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from matplotlib.patches import FancyBboxPatch
from tqdm import tqdm

from minivae import (check_function, conv_vae, gaussian_logpdf,
                     load_pretrained, reparameterize)
from minivae.data import load_mnist
from minivae.layers import sigmoid
from minivae.plots import pixels, save_frame
from minivae.vae import reparameterize_backward

from common.command_line import at_least, parser, run
from common.drawing import arrow, outline, paper, write
from common.own_folder import own_folder

DRAWS = 1000
RED = "#c00000"


# ---- the computation -------------------------------------------------------

def model():
    """Return the digits' VAE in float64, for finite differences."""
    vae = conv_vae(dtype="float64")
    for name, p in load_pretrained("mnist").params.items():
        vae.params[name][...] = p
    return vae


def log_q(logvar, eps):
    """log q(z|x), as vae.elbo_terms has it: eps is given, and z not seen."""
    return gaussian_logpdf(eps)[0] - 0.5 * logvar.sum(axis=1)


def forward(vae, x, eps):
    """Return all that the loss of an image is made of, x and eps included."""
    mu, logvar = vae.encode(x)
    z = reparameterize(mu, logvar, eps)
    logits = vae.decode(z)
    terms = {"log p(x|z)": vae.log_p_x(x, logits)[0],
             "log p(z)": gaussian_logpdf(z)[0],
             "log q(z|x)": log_q(logvar, eps)}
    loss = terms["log q(z|x)"] - terms["log p(z)"] - terms["log p(x|z)"]
    return {"x": x, "mu": mu, "logvar": logvar, "eps": eps, "z": z,
            "logits": logits, **terms, "loss": loss}


def backward(vae, at):
    """Return the gradients of the loss with respect to what forward returned.

    Where two paths meet, there are both of their gradients, and the sum.
    """
    d = {"log p(x|z)": -1.0, "log p(z)": -1.0, "log q(z|x)": 1.0}
    d["logits"] = d["log p(x|z)"] * vae.log_p_x(at["x"], at["logits"])[1]
    d["z, decoder"] = vae.decoder.backward(d["logits"])
    d["z, log p(z)"] = d["log p(z)"] * gaussian_logpdf(at["z"])[1]
    d["z"] = d["z, decoder"] + d["z, log p(z)"]
    d["mu"], d["logvar, z"] = reparameterize_backward(
        d["z"], at["logvar"], at["eps"])
    d["logvar, log q"] = d["log q(z|x)"] * np.full_like(at["logvar"], -0.5)
    d["logvar"] = d["logvar, z"] + d["logvar, log q"]
    vae.encoder.backward_params(
        np.concatenate([d["mu"], d["logvar"]], axis=1))
    return d


# ---- the checks ------------------------------------------------------------

def errors(vae, at, d):
    """Return the largest relative error of each gradient in d.

    Each is compared with finite differences of what comes behind its node.
    """
    x, mu, logvar, eps, z, logits = (at[name] for name in (
        "x", "mu", "logvar", "eps", "z", "logits"))

    def reconstruction(z):
        return vae.log_p_x(x, vae.decode(z))[0]

    def from_z(z):
        return -reconstruction(z) - gaussian_logpdf(z)[0]

    def through_z():
        return from_z(reparameterize(mu, logvar, eps))
    functions = {
        "logits": (logits, lambda: -vae.log_p_x(x, logits)[0]),
        "z, decoder": (z, lambda: -reconstruction(z)),
        "z, log p(z)": (z, lambda: -gaussian_logpdf(z)[0]),
        "z": (z, lambda: from_z(z)),
        "mu": (mu, through_z),
        "logvar, z": (logvar, through_z),
        "logvar, log q": (logvar, lambda: log_q(logvar, eps)),
        "logvar": (logvar, lambda: log_q(logvar, eps) + through_z())}
    return {name: check_function(name, f, np.ones(len(x)), {
        name: (a, d[name])}, verbose=False).rows[0].error
        for name, (a, f) in functions.items()}


def through_z(vae, images, eps):
    """Return dlogvar's side through z for images (N, H, W, C): (N, D)."""
    sides = []
    for i in tqdm(range(0, len(eps), 100), "draws", leave=False, disable=None):
        at = forward(vae, vae.asarray(images[i:i + 100]), eps[i:i + 100])
        sides.append(backward(vae, at)["logvar, z"])
    return np.concatenate(sides)


# ---- the graph -------------------------------------------------------------

# the middle of each node, its width, and where its gradient stands in d
NODES = {"encoder": (2.5, 14.8, 4), "mu": (9.6, 11, 6),
         "logvar": (9.6, 18.6, 6.8), "eps": (17.4, 15.8, 5),
         "z": (17.4, 11, 6), "decoder": (17.4, 2.9, 4),
         "log p(x|z)": (31.4, 2.9, 4.4), "log p(z)": (26.1, 11, 4),
         "log q(z|x)": (25.6, 18.6, 4.4), "loss": (31.4, 11, 3.6)}
# an arrow's ends; the gradient that comes back; where its numbers stand
ARROWS = [((2.5, 10.2), (2.5, 14.1), None, None),              # to encoder
          ((4.5, 14.5), (6.5, 12.2), "mu", None),
          ((4.5, 15.2), (6.1, 17.4), "logvar", None),
          ((12.7, 11), (14.3, 11), "mu", None),
          ((12.4, 16.9), (15.2, 12.7), "logvar, z",
           (13, 14.3, "right", "through z:\n")),
          ((17.4, 14.5), (17.4, 12.7), None, None),              # eps to z
          ((13.1, 18.6), (23.3, 18.6), "logvar, log q",
           (18, 19.7, "center", "directly: ")),
          ((20, 15.8), (23.8, 17.4), None, None),            # eps to log q
          ((17.4, 9.3), (17.4, 3.6), "z, decoder", (18.1, 6.5, "left", "")),
          ((20.5, 11), (24, 11), "z, log p(z)", (22.2, 12.1, "center", "")),
          ((19.5, 2.9), (22.2, 2.9), "logits", None),
          ((26.8, 2.9), (29.1, 2.9), "logits", None),
          ((31.4, 4.2), (31.4, 9.8), "log p(x|z)", (30.7, 9.1, "right", "")),
          ((28.2, 11), (29.5, 11), "log p(z)", (28.9, 12.6, "center", "")),
          ((27.4, 17.4), (30.6, 12.2), "log q(z|x)", (29.8, 15.2, "left", ""))]


def numbers(a):
    """Write a few numbers as short as they can be read."""
    return ", ".join(f"{v:.2f}" if abs(v) < 9.995 else f"{v:.1f}"
                     for v in np.ravel(a))


def draw_node(ax, name, at, d):
    rows = [(name, {"fontweight": "bold"})]
    if name in at:
        rows.append((numbers(at[name]), {}))
    if name in ("mu", "logvar", "z"):
        rows.append((f"d{name}  {numbers(d[name])}", {"color": RED}))
    (x, y, width), height = NODES[name], 0.4 + len(rows)
    ax.add_patch(FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, facecolor="w",
        boxstyle="round,pad=0,rounding_size=0.4"))
    for i, (text, style) in enumerate(rows):
        write(ax, x, y + i - (len(rows) - 1) / 2, text, **style)


def draw_arrow(ax, start, end, gradient, place, d):
    """Draw an arrow and, on its right as seen from its start, a red one."""
    arrow(ax, start, end)
    if gradient:
        x, y = np.subtract(end, start)
        aside = 0.35 * np.array([-y, x]) / np.hypot(x, y)
        arrow(ax, end + aside, start + aside, color=RED, linestyle="--")
    if place:
        x, y, side, before = place
        write(ax, x, y, before + numbers(d[gradient]), ha=side, color=RED)


def draw_image(ax, left, top, image, name, colour="k", **style):
    ax.imshow(image, cmap="gray_r", extent=(left, left + 4, top + 4, top),
              **style)
    outline(ax, left, top, 4, 4, color="0.6", linewidth=0.6)
    write(ax, left + 4.2, top, name, ha="left", va="top", color=colour)


def draw_graph(path, at, d):
    figure, ax = paper(34, 20.8, 26)
    write(ax, 4, 1.6, "black: values, forward", ha="left")
    write(ax, 4, 2.8, "red, dashed: gradients, backward", ha="left",
          color=RED)
    for name in NODES:
        draw_node(ax, name, at, d)
    for start, end, gradient, place in ARROWS:
        draw_arrow(ax, start, end, gradient, place, d)
    draw_image(ax, 0.5, 6, at["x"][0, ..., 0], "x", vmin=0)
    draw_image(ax, 22.5, 0.9, sigmoid(at["logits"][0, ..., 0]),
               "logits\n(as σ)", vmin=0)
    draw_image(ax, 22.5, 5.3, d["logits"][0, ..., 0], "dlogits:\ndark: too\n"
               "much ink,\nwhite: too\nlittle", RED, vmin=-1, vmax=1)
    # log p(x|z) reads x, too
    ax.plot([2.5, 2.5, 31.4], [5.9, 0.4, 0.4], "k", linewidth=1)
    arrow(ax, (31.4, 0.3), (31.4, 1.6))
    ax.set(xlim=(0, 34), ylim=(20.8, 0))         # imshow has changed them
    save_frame(path, pixels(figure))


# ---- everything together ---------------------------------------------------

def mean(sides):
    error = sides.std(axis=0) / np.sqrt(len(sides))
    return ", ".join(f"{m:.2f} +- {e:.2f}"
                     for m, e in zip(sides.mean(axis=0), error))


@own_folder
def main(args):
    vae, images = model(), load_mnist().test_images
    x, eps = vae.asarray(images[[args.image]]), vae.noise(1, args.seed)
    at = forward(vae, x, eps)
    d = backward(vae, at)
    own = {name: g.copy() for name, g in vae.grads.items()}
    _, grads = vae.loss_and_grads(x, eps)
    largest = max(abs(g - grads[name]).max() for name, g in own.items())
    print(f"""\
The loss is log q(z|x) - log p(z) - log p(x|z) = {at["loss"][0]:.2f} nats.
All {len(own)} arrays of parameters have the gradients of loss_and_grads:
largest difference {largest:g}.

Relative error against finite differences, at most:""")
    for name, error in errors(vae, at, d).items():
        print(f"  d({name})".ljust(21) + f"{error:.0e}")
    draw_graph(args.out / "graph.png", at, d)
    draws = vae.noise(DRAWS, args.seed)
    one = through_z(vae, images[[args.image] * DRAWS], draws)
    many = through_z(vae, images[:DRAWS], draws)
    print(f"""
dlogvar in both dimensions:
  through z        {numbers(d["logvar, z"])}
  from log q(z|x)  {numbers(d["logvar, log q"])}
  the sum          {numbers(d["logvar"])}
Through z, mean and standard error:
  this image, {DRAWS:,} draws of eps      {mean(one)}
  {DRAWS:,} test images, a draw for each  {mean(many)}

Look at {args.out / 'graph.png'}: z and logvar each lead to two nodes:
two gradients come back, and add up.""")


def parse_arguments():
    options = parser(__doc__, "runs/backpropagation")
    add = options.add_argument
    add("--image", type=at_least(0, 9999), default=3, metavar="N",
        help="which of MNIST's 10000 test images (3)")
    add("--seed", type=at_least(0), default=1, metavar="N",
        help="seed of all draws (1)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
