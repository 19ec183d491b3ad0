"""What is a convolution, and what is a transposed one? See every number.

    python demos/convolution.py

Draws minivae/conv.py at work, on images so small that each number is legible;
the numbers come from its own functions. The pictures go to runs/convolution:

    im2col.png  windows become the rows of cols, and cols times w is the
                output; backwards, col2im adds each row to its window
    im2col.gif  the same, window by window
    stamps.png  a transposed convolution: each pixel stamps the kernel
    matrix.png  a convolution as one sparse matrix, and its transpose
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from tqdm import tqdm

from minivae import Conv2D, Conv2DTranspose
from minivae.conv import col2im, im2col
from minivae.extras.figures.gif import save_gif
from minivae.plots import pixels, save_frame

from common.command_line import parser, run
from common.drawing import arrow, cells, outline, paper, write
from common.one_channel import apply, with_kernel
from common.own_folder import own_folder

SEVEN = np.array([[0, 7, 8, 9, 0],                 # in fading ink
                  [0, 0, 0, 6, 0],
                  [0, 0, 5, 0, 0],
                  [0, 3, 4, 0, 0],
                  [0, 2, 0, 0, 0]], float)
KERNEL = np.arange(1.0, 10).reshape(3, 3)
DY = np.array([[1, 2, -1], [0, 1, 1], [-1, 2, 1]], float)
VALID = (3, 3), (1, 1), "valid"                # kernel size, strides, padding
FOUR = np.array([[1.0, 2], [3, 4]])
# how two windows are outlined, so that they also differ in grey
OUTLINES = {0: {"color": "C0"}, 4: {"color": "C1", "linestyle": "--"}}


# ---- im2col and col2im -----------------------------------------------------

X, COLS, W, Y, IMAGE = 0.8, 9, 20.2, 23.4, 27      # where each matrix begins


def product():
    """Return cols (9, 9) of SEVEN, and y = cols·w (9, 1)."""
    cols = im2col(SEVEN[None, ..., None], *VALID).reshape(9, 9)
    return cols, cols @ KERNEL.reshape(9, 1)


def sums(done=9):
    """Return dcols = dy·wᵀ (9, 9), and dx (5, 5): some rows, added."""
    dcols = DY.reshape(9, 1) @ KERNEL.reshape(1, 9)
    rows = np.where(np.arange(9)[:, None] < done, dcols, 0)
    dx = col2im(rows.reshape(1, 3, 3, 9), SEVEN.shape, *VALID)
    return dcols, dx[0, ..., 0]


def draw_forward(ax, top, done=9, outlines=OUTLINES):
    """Draw y = im2col(x)·w, of which the first rows are done."""
    cols, y = (np.where(np.arange(9)[:, None] < done, a, np.nan)
               for a in product())
    cells(ax, X, top + 2, SEVEN, "x")
    cells(ax, COLS, top, cols, "cols")
    cells(ax, W, top, KERNEL.reshape(9, 1), "w")
    cells(ax, Y, top, y, "y")
    cells(ax, IMAGE, top + 3, y.reshape(3, 3), "y")
    middle = top + 4.5
    arrow(ax, (X + 5.3, middle), (COLS - 0.3, middle), "im2col:\ncopy")
    arrow(ax, (Y + 1.3, middle), (IMAGE - 0.3, middle), "reshape")
    write(ax, W - 0.6, middle, "·", fontsize=16)
    write(ax, W + 2.1, middle, "=", fontsize=14)
    draw_outlines(ax, top, outlines)


def draw_backward(ax, top, done=9, outlines=OUTLINES):
    """Draw dx = col2im(dy·wᵀ), to which the first rows have been added."""
    dcols, dx = sums(done)
    cells(ax, X, top + 2, dx, "dx")
    cells(ax, COLS, top, dcols)
    write(ax, COLS - 0.3, top + 8.5, "dcols", ha="right")
    cells(ax, COLS, top - 1.5, KERNEL.reshape(1, 9))
    write(ax, COLS - 0.3, top - 1, "wᵀ", ha="right")
    cells(ax, Y, top, DY.reshape(9, 1), "dy")
    cells(ax, IMAGE, top + 3, DY, "dy")
    middle = top + 4.5
    arrow(ax, (COLS - 0.3, middle), (X + 5.3, middle), "col2im:\nadd")
    arrow(ax, (IMAGE - 0.3, middle), (Y + 1.3, middle), "reshape")
    arrow(ax, (Y - 0.3, middle), (COLS + 9.3, middle), "dy·wᵀ")
    draw_outlines(ax, top, outlines)


def draw_outlines(ax, top, outlines):
    """Outline windows, their rows of cols, and their numbers of y."""
    for k, style in outlines.items():
        i, j = divmod(k, 3)
        outline(ax, X + j, top + 2 + i, 3, 3, **style)
        outline(ax, COLS, top + k, 1, 9, **style)
        outline(ax, Y, top + k, 1, 1, **style)
        outline(ax, IMAGE + j, top + 3 + i, 1, 1, **style)


def draw_im2col(folder):
    figure, ax = paper(30.8, 25.6)
    write(ax, 15.4, 0.6, "Forward: each window of x becomes a row of cols, "
          "and cols·w is y", fontsize=12)
    draw_forward(ax, 2.6)
    write(ax, 15.4, 12.9, "Backward, every arrow reversed: each row of dcols "
          "is added where its window was", fontsize=12)
    draw_backward(ax, 16)
    save_frame(folder / "im2col.png", pixels(figure))
    frames = []
    for k in tqdm(range(18), "drawing", leave=False, disable=None):
        figure, ax = paper(30.8, 13.6, side=26)
        name, draw = (("forward: y = im2col(x)·w", draw_forward) if k < 9 else
                      ("backward: dx = col2im(dy·wᵀ)", draw_backward))
        write(ax, 15.4, 0.6, name, fontsize=12)
        draw(ax, 3.6, k % 9 + 1, {k % 9: OUTLINES[0]})
        frames.append(pixels(figure))
    save_gif(folder / "im2col.gif", frames, milliseconds=700)


# ---- a transposed convolution, and a matrix --------------------------------

def stamps(layer, x):
    """Return what a layer makes of each pixel of x (H, W), alone: a list."""
    return [apply(layer.forward, image)
            for image in np.eye(x.size).reshape(-1, *x.shape) * x]


def draw_stamps(path):
    figure, ax = paper(33.6, 8.2, side=27)
    layer = with_kernel(Conv2DTranspose, KERNEL, 2)
    write(ax, 16.8, 0.7, "Transposed convolution, stride 2: each pixel "
          "stamps the kernel, two pixels apart; stamps add up", fontsize=12)
    cells(ax, 0.5, 4, FOUR, "x")
    write(ax, 3.2, 5, "→", fontsize=14)
    for k, (value, stamp) in enumerate(zip(FOUR.flat, stamps(layer, FOUR))):
        left, (i, j) = 4 + 6 * k, divmod(k, 2)
        cells(ax, left, 2.5, stamp, f"{value:g}·w", zeros=False)
        outline(ax, left + 2 * j, 2.5 + 2 * i, 3, 3, **OUTLINES[0])
        write(ax, left + 5.5, 5, "=" if k == 3 else "+", fontsize=14)
    cells(ax, 28, 2.5, apply(layer.forward, FOUR), "y")
    save_frame(path, pixels(figure))


def matrix(layer, *shape):
    """Return A, with y = A·x for images x of a shape: (OH·OW, H·W).

    Its column p is what the layer makes of an image whose pixel p is 1.
    """
    basis = np.eye(np.prod(shape)).reshape(-1, *shape, 1)
    return layer.forward(basis).reshape(len(basis), -1).T


def draw_matrix(path):
    A = matrix(with_kernel(Conv2D, KERNEL), 5, 5)
    larger = matrix(with_kernel(Conv2D, KERNEL, 2, "same"), 8, 8)
    figure, ax = paper(39, 29, side=22)
    write(ax, 13.5, 0.8, "A convolution is one sparse matrix: y = A·x",
          fontsize=12)
    write(ax, 33.5, 0.8, "its transpose: dx = Aᵀ·dy", fontsize=12)
    cells(ax, 1, 3, A, "A: a row for each window, a column for each pixel",
          zeros=False)
    cells(ax, 29, 3, A.T, "Aᵀ", zeros=False)
    outline(ax, 1, 7, 1, 25, **OUTLINES[4])
    cells(ax, 4, 14.8, A[4].reshape(5, 5), zeros=False)
    outline(ax, 4, 14.8, 5, 5, **OUTLINES[4])
    write(ax, 6.5, 13.4, "this row, as an image: the\nkernel, where its "
          "window is")
    outline(ax, 29, 15, 1, 9, **OUTLINES[0])
    cells(ax, 19, 15.8, A.T[12].reshape(3, 3), zeros=False)
    outline(ax, 19, 15.8, 3, 3, **OUTLINES[0])
    write(ax, 20.5, 14.4, "this row, as an image:\nthe kernel, turned by 180°")
    ax.imshow(larger, cmap="gray_r", extent=(1, 26, 28.5, 22.25))
    write(ax, 13.5, 21.5, "A of 8 × 8 pixels, 'same', stride 2: 16 × 64, "
          "its numbers as greys")
    outline(ax, 1, 22.25, 6.25, 25, color="0.6", linewidth=0.6)
    ax.set(xlim=(0, 39), ylim=(29, 0))             # imshow has changed them
    save_frame(path, pixels(figure))


# ---- everything together ---------------------------------------------------

@own_folder
def main(args):
    layer = with_kernel(Conv2D, KERNEL)
    y, dx = apply(layer.forward, SEVEN), apply(layer.backward, DY)
    cols, y_from_cols = product()
    reads = col2im(np.ones((1, 3, 3, 9)), (5, 5), *VALID)[0, ..., 0]
    A = matrix(layer, 5, 5)
    down, up = (with_kernel(kind, KERNEL, 2)
                for kind in (Conv2D, Conv2DTranspose))
    apply(down.forward, SEVEN)
    stamped = apply(up.forward, FOUR)
    print(f"""\
{len(cols)} windows of 3 x 3 fit into 5 x 5 pixels, so cols is 9 x 9.
cols times w is Conv2D's output: {difference(y_from_cols, y)}
col2im(dy times w transposed) is its backward's dx: {difference(sums()[1], dx)}
The pixel in the middle lies in {reads[2, 2]:g} windows, and receives as many
gradients; one in a corner, in {reads[0, 0]:g}.

The stamps add up to Conv2DTranspose's output: \
{difference(sum(stamps(up, FOUR)), stamped)}
Conv2D's backward, with that stride, gives the same: \
{difference(apply(down.backward, FOUR), stamped)}

As a matrix, A, the convolution has {A.size} numbers, of which
{(A != 0).sum()} are not 0.
A times x is Conv2D's output: {difference(A @ SEVEN.ravel(), y)}
A transposed, times dy, is its dx: {difference(A.T @ DY.ravel(), dx)}
""")
    draw_im2col(args.out)
    draw_stamps(args.out / "stamps.png")
    draw_matrix(args.out / "matrix.png")
    print(f"""\
In {args.out}:
  im2col.png  x, cols, w and y; and the same backwards. im2col.gif moves
  stamps.png  a transposed convolution
  matrix.png  a convolution as a matrix, and its transpose

Look at {args.out / 'im2col.png'}: the lower half is the upper one, read from
right to left. Where a number was copied, a gradient is added.""")


def difference(a, b):
    return f"largest difference {abs(a.ravel() - b.ravel()).max():g}"


def parse_arguments():
    return parser(__doc__, "runs/convolution").parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
