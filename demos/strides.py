"""What do a stride and a padding do? Count what each pixel is part of.

    python demos/strides.py

Where a convolution skips pixels, its transpose writes some pixels more often
than others. The pictures go to runs/strides:

    padding.png       'valid' and 'same', with strides of 1 and 2: which
                      pixels each window reads, on one row
    checkerboard.png  how many numbers a transposed convolution adds in each
                      pixel: with a kernel of 3 and a stride of 2, one, two or
                      four. A kernel of 4 makes that even; to repeat pixels,
                      and then convolve, does too (Odena et al. 2016). Below,
                      the same pattern in the decoder that ships with minivae.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from matplotlib.patches import Polygon

from minivae import Conv2D, Conv2DTranspose, load_pretrained
from minivae.conv import windows
from minivae.plots import pixels, save_frame

from common.command_line import parser, run
from common.drawing import cells, outline, paper, write
from common.one_channel import apply, with_kernel
from common.own_folder import own_folder

ROW = np.arange(1.0, 7)


# ---- padding and strides ---------------------------------------------------

def draw_padding(path):
    figure, ax = paper(20.6, 11.5, side=42)
    write(ax, 10.3, 0.5, "A row of six pixels, and a kernel that adds three",
          fontsize=12)
    for row, stride in enumerate((1, 2)):
        for column, padding in enumerate(("valid", "same")):
            draw_row(ax, 1.1 + 10.4 * column, 1.3 + 5.5 * row, stride, padding)
    save_frame(path, pixels(figure))


def draw_row(ax, left, top, stride, padding):
    """Draw ROW and the windows that fit; its first pixel is at left + 1."""
    count, before, after = windows(len(ROW), 3, stride, padding)
    layer = with_kernel(Conv2D, np.ones((1, 3)), (1, stride), padding)
    y = apply(layer.forward, ROW[None])[0]
    cells(ax, left + 1, top + 3.2, ROW[None])
    for at in [0] * before + [7] * after:
        cells(ax, left + at, top + 3.2, np.zeros((1, 1)))
        outline(ax, left + at, top + 3.2, 1, 1, color="0.4", linestyle=":")
    for k in range(count):
        first = left + 1 - before + k * stride
        cells(ax, first + 1, top + 0.8, y[None, k:k + 1])
        ax.add_patch(Polygon(
            [(first + 1.1, top + 1.8), (first + 1.9, top + 1.8),
             (first + 2.95, top + 3.2), (first + 0.05, top + 3.2)],
            facecolor="C0", alpha=0.15, edgecolor="C0"))
    unread = before + len(ROW) + after - (count - 1) * stride - 3
    write(ax, left + 4, top + 0.2, f"'{padding}', stride {stride}: " + (
        "nothing reads the last pixel" if unread else
        f"zeros: {before} before, {after} after"))


# ---- the checkerboard ------------------------------------------------------

def additions(kernel, upsampling=False):
    """Return how many numbers are added in each pixel: (12, 12).

    That is what kernels of ones make of an image of ones.
    """
    w, image = np.ones((kernel, kernel)), np.ones((6, 6))
    if upsampling:                  # each pixel becomes 2 x 2 that are equal
        image = image.repeat(2, axis=0).repeat(2, axis=1)
        return apply(with_kernel(Conv2D, w, 1, "same").forward, image)
    return apply(with_kernel(Conv2DTranspose, w, 2, "same").forward, image)


LAYERS = {"kernel 3, stride 2": additions(3),
          "kernel 4, stride 2": additions(4),
          "upsampling, then kernel 3": additions(3, upsampling=True)}


def last_features(vae, z):
    """Return what the decoder's last convolution sees, and its logits."""
    *layers, last = vae.decoder.layers
    for layer in layers:
        z = layer.forward(z)
    return z, last.forward(z)


def size(a, axis=None):
    return np.sqrt((a ** 2).mean(axis=axis))


def phases(a):
    """Return the size of pixels in even and odd rows and columns: (2, 2).

    a is (N, H, W, C). The sizes are relative to the smallest of the four.
    """
    sizes = np.array([[size(a[:, i::2, j::2]) for j in (0, 1)]
                      for i in (0, 1)])
    return sizes / sizes.min()


def draw_checkerboard(path, features, logits):
    """Draw what the three layers add; below, how a code is decoded.

    Features are (1, H, W, C), the logits (1, H, W, 1).
    """
    figure, ax = paper(41, 31, side=21)
    for column, (name, counts) in enumerate(LAYERS.items()):
        left = 1 + 13.5 * column
        write(ax, left + 6, 0.7, name, fontsize=12)
        cells(ax, left, 3, counts, "how many numbers are added")
    busiest = (features[0] ** 2).mean(axis=(0, 1)).argmax()
    for column, (name, image) in enumerate({
            "a trained decoder: one feature\nafter kernel 3, stride 2":
            features[0, ..., busiest],
            "all its features there:\nroot mean square":
            size(features[0], axis=-1),
            "the logits: the last convolution\nleaves almost none of it":
            logits[0, ..., 0] - logits.min()}.items()):
        left = 1 + 13.5 * column
        write(ax, left + 6, 16.6, name)
        ax.imshow(image, cmap="gray_r", vmin=0, extent=(
            left, left + 12, 30, 18))
        outline(ax, left, 18, 12, 12, color="0.6", linewidth=0.6)
    ax.set(xlim=(0, 41), ylim=(31, 0))             # imshow has changed them
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    draw_padding(args.out / "padding.png")
    print("How many numbers are added in a pixel, away from the border:")
    for name, counts in LAYERS.items():
        found = np.unique(counts[2:-2, 2:-2])
        print(f"  {name:<28}{', '.join(f'{count:g}' for count in found)}")
    vae = load_pretrained("fashion")
    features, logits = last_features(vae, vae.noise(500, 0))
    before, after = phases(features), phases(logits)
    print(f"""
The decoder for clothes, after its second stride of 2: the size of features
(root mean square over 500 codes), relative to the smallest
                even columns   odd columns
  even rows   {before[0, 0]:14.2f}{before[0, 1]:14.2f}
  odd rows    {before[1, 0]:14.2f}{before[1, 1]:14.2f}
and that of logits, after one more convolution: at most {after.max():.2f}
""")
    draw_checkerboard(args.out / "checkerboard.png", features[5:6],
                      logits[5:6])
    print(f"""\
In {args.out}:
  padding.png       which pixels each window reads
  checkerboard.png  how many numbers are added in each pixel

Look at {args.out / 'checkerboard.png'}: the decoder has a checkerboard
inside, and its last convolution removes nearly all of it.""")


def parse_arguments():
    return parser(__doc__, "runs/strides").parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
