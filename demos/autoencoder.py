"""What does an autoencoder lack, even if it reconstructs as well as a VAE?

    python demos/autoencoder.py

Trains both on MNIST and on Fashion-MNIST: the same networks, the same steps,
but the ordinary autoencoder without noise and without the KL. Then asks two
things of them. How far is a reconstruction from its test image? (PCA and a
random projection onto as many numbers are measured, too.) And what do codes
drawn from N(0, 1) decode to? That answer has two sides: how far a generated
image is from the nearest training image (is it realistic?), and how far a
test image is from the nearest generated one (is anything left out?).

The VAE's codes were pulled towards N(0, 1). For the autoencoder's we have to
look where they lie, and fit a density to them: the table's last row draws from
a normal with their mean and covariance. In a plane that mends most of it; but
it is a second model, of which the autoencoder knows nothing.

One to three minutes; the pictures go to runs/autoencoder.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from matplotlib.figure import Figure

from minivae import choose_device, conv_vae
from minivae.data import load_fashion_mnist, load_mnist
from minivae.extras.figures.codes import scatter
from minivae.extras.figures.rows import save_images
from minivae.plots import decode, encode, pixels, save_frame, show, tile

from common.command_line import parser, run
from common.fit import fit
from common.nearest import nearest
from common.own_folder import own_folder
from common.pca import flat, pca

SAMPLES = 1000
RADIUS = 2.45               # 95 % of the draws from N(0, 1) lie nearer to 0


# ---- the numbers -----------------------------------------------------------

def squared_error(images, decoded):
    """Squared differences, summed over pixels, averaged over images."""
    return ((flat(decoded) - flat(images)) ** 2).sum(axis=1).mean()


def project(images, mean, directions):
    """Reconstruct from coordinates along some orthonormal directions."""
    coordinates = (flat(images) - mean) @ directions.T           # (N, D)
    return (mean + coordinates @ directions).reshape(images.shape)


def components_needed(error, images, mean, directions):
    """How many components PCA needs for an error that is no larger."""
    squares = ((flat(images) - mean) @ directions.T) ** 2        # (N, 784)
    left = squares.sum(axis=1).mean() - squares.mean(axis=0).cumsum()
    return int((left > error).sum()) + 1


def gap(images, others):
    """The mean distance from each of images to the nearest of others."""
    return nearest(images, others)[1].mean()


# ---- the pictures ----------------------------------------------------------

def decode_square(vae, left, right, bottom, top, n=20):
    """Decode n × n codes, the centres of a square's cells, the top row first.

    Returns one image, (n·H, n·W, C): z[0] grows to the right, z[1] upwards.
    """
    half = (right - left) / n / 2                    # of a cell
    across = np.linspace(left + half, right - half, n)
    up = np.linspace(bottom + half, top - half, n)
    z = np.stack(np.meshgrid(across, up[::-1]), axis=-1)         # (n, n, 2)
    return tile(decode(vae, z.reshape(-1, 2)), n)


def draw_plane(axes, name, vae, codes, data, generated):
    """Draw where codes lie, what the plane decodes to, and random codes."""
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    low, high = np.minimum(low, -3), np.maximum(high, 3)
    middle, reach = (low + high) / 2, (high - low).max() / 2
    left, right = middle[0] + [-reach, reach]
    bottom, top = middle[1] + [-reach, reach]
    square = decode_square(vae, left, right, bottom, top)
    turn = np.linspace(0, 2 * np.pi, 100)
    circle = RADIUS * np.cos(turn), RADIUS * np.sin(turn)

    scatter(axes[0], codes, data.test_labels, data.class_names)
    axes[1].imshow(square[..., 0], cmap="gray_r", vmin=0, vmax=1,
                   extent=(left, right, bottom, top))
    axes[0].set_title(f"{name}: codes of the test images")
    axes[1].set_title("the same plane, decoded")
    for ax, colour in zip(axes[:2], ("k", "C3")):
        ax.plot(*circle, "--", color=colour, label="95 % of N(0, 1)")
        ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal",
               xlabel="z[0]", ylabel="z[1]")
    show(axes[2], tile(generated[:100], 10))
    axes[2].set_title("drawn from N(0, 1), decoded")


def save_planes(path, title, data, panels):
    figure = Figure(figsize=(14, 9.4), dpi=100, layout="constrained")
    rows = figure.subplots(2, 3)
    for row, (name, panel) in zip(rows, panels.items()):
        draw_plane(row, name, *panel[:2], data, panel[2])
    figure.legend(*rows[0, 0].get_legend_handles_labels(), ncols=6,
                  frameon=False, loc="outside lower center", markerscale=4)
    figure.suptitle(title, fontsize=14)
    save_frame(path, pixels(figure))


# ---- one data set ----------------------------------------------------------

def compare(name, title, data, args):
    images, test_images = data.train_images[:args.limit], data.test_images
    rng = np.random.default_rng(args.seed)
    mean, directions = pca(images)
    random, _ = np.linalg.qr(rng.standard_normal((len(mean), 2)))
    decoded = {"random projection": project(test_images, mean, random.T),
               "PCA": project(test_images, mean, directions[:2])}
    panels, draws = {}, {}
    for kind in "autoencoder", "VAE":
        variational = kind == "VAE"
        vae = fit(conv_vae(rng=args.seed), images, seed=args.seed,
                  noise=variational, beta=float(variational),
                  name=f"{kind}, {title}", xp=args.xp)
        codes = encode(vae, test_images)
        decoded[kind] = decode(vae, codes)
        draws[kind] = decode(vae, rng.standard_normal((SAMPLES, 2)))
        panels[kind] = vae, codes, draws[kind]
        if not variational:
            z = rng.multivariate_normal(codes.mean(0), np.cov(codes.T),
                                        SAMPLES)
            fitted = decode(vae, z)
    draws["autoencoder, a normal fitted to its codes"] = fitted

    few = data.grey_index[::10]                          # one of each class
    save_images(args.out / f"{name}_reconstructions.png", {
        "test image": test_images[few],
        **{kind: d[few].clip(0, 1) for kind, d in decoded.items()}},
        data.class_names, "Through two numbers and back")
    save_planes(args.out / f"{name}_planes.png", title, data, panels)
    print_table(title, images, test_images, decoded, draws)
    k = components_needed(squared_error(test_images, decoded["VAE"]),
                          test_images, mean, directions)
    inside = {kind: np.mean(np.hypot(*codes.T) < RADIUS)
              for kind, (_, codes, _) in panels.items()}
    print(f"PCA would need {k} components to reconstruct as well as the VAE.\n"
          "The circle that holds 95 % of N(0, 1) holds "
          f"{inside['VAE']:.0%} of the VAE's codes and "
          f"{inside['autoencoder']:.0%} of the autoencoder's.")


def print_table(title, images, test_images, decoded, draws):
    some = test_images[:SAMPLES]
    print(f"\n{title:<44}{'a test image to':>19}{'a generated':>19}"
          f"{'a test image to':>19}\n{'':<44}{'its reconstruction':>19}"
          f"{'one to real ones':>19}{'generated ones':>19}")
    print(f"{'test images themselves':<44}{'':>19}"
          f"{gap(some, images):>19.1f}")
    for kind in dict.fromkeys([*decoded, *draws]):
        line = f"{kind:<44}"
        if kind in decoded:
            line += f"{squared_error(test_images, decoded[kind]):>19.1f}"
        if kind in draws:
            line = (f"{line:<63}{gap(draws[kind], images):>19.1f}"
                    f"{gap(some, draws[kind]):>19.1f}")
        print(line)


@own_folder
def main(args):
    args.xp, _ = choose_device(args.device)
    print("Mean distances of images: to their reconstructions from two "
          "numbers (squared differences,\nsummed over 784 pixels), and to the "
          "nearest of many other images (pixels that differ).")
    for name, title, load in (("mnist", "MNIST", load_mnist),
                              ("fashion", "Fashion-MNIST",
                               load_fashion_mnist)):
        compare(name, title, load(), args)
    print(f"""
Look at {args.out / 'mnist_planes.png'} and fashion_planes.png:
only the VAE's codes are spread like the new ones that we draw; the
autoencoder's lie wherever they like. (A normal fitted to them afterwards mends
most of that in a plane: the table's last row.)""")


def parse_arguments():
    return parser(__doc__, "runs/autoencoder", limit=60000).parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
