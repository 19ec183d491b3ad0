"""Both convolutions on a grid of settings: three kinds of proof at each.

A sum in seven loops says what they should compute, finite differences say
what its gradients are, and the adjoint identity <Ax, y> = <x, Aᵀy> ties the
one to the other to the last digit.
"""
import itertools

import numpy as np
import pytest

from minivae import Conv2D, Conv2DTranspose, check_layer
from minivae.conv import (col2im, correlate, correlate_dw, correlate_dx,
                          im2col, windows)

# N in {1, 3}, H ≠ W, non-square kernels and strides, strides above the
# kernel, strides that do not reach the last row: what one setting hides,
# another one shows.
KERNELS = (1, 1), (2, 2), (3, 3), (3, 2), (2, 3), (1, 4), (4, 4), (5, 3)
STRIDES = (1, 1), (2, 2), (2, 1), (1, 3), (3, 3)
PADDINGS = "valid", "same"
BIG, SMALL = ((1, 6, 5), (3, 7, 6)), ((1, 3, 2), (3, 4, 3))
grid = [(cls, kernel, stride, padding, shape)
        for cls, shapes in ((Conv2D, BIG), (Conv2DTranspose, SMALL))
        for kernel, stride, padding, shape
        in itertools.product(KERNELS, STRIDES, PADDINGS, shapes)]
# the two that alone find all of thirteen planted bugs
grid += [(Conv2D, (4, 4), (2, 2), "valid", (2, 8, 8)),
         (Conv2D, (3, 2), (2, 1), "same", (3, 7, 6)),
         (Conv2DTranspose, (4, 4), (2, 2), "valid", (2, 4, 4)),
         (Conv2DTranspose, (3, 2), (2, 1), "same", (3, 7, 6))]


def name(setting):
    cls, (KH, KW), (SH, SW), padding, (N, H, W) = setting
    return (f"{cls.__name__}-k{KH}x{KW}-s{SH}x{SW}-{padding}-{N}x{H}x{W}")


on_the_grid = pytest.mark.parametrize("setting", grid, ids=name)


def build(setting, C=2, F=3, dtype="float64"):
    cls, kernel, strides, padding, shape = setting
    rng = np.random.default_rng(0)
    layer = cls(C, F, kernel, strides, padding, rng=rng, dtype=dtype)
    layer.params["b"][...] = rng.standard_normal(F)
    return layer, rng.standard_normal((*shape, C)).astype(dtype)


def test_the_grid_is_large_enough():
    for cls in Conv2D, Conv2DTranspose:
        assert len({s for s in grid if s[0] is cls}) >= 150


@on_the_grid
def test_gradients(setting, prove):
    prove(check_layer(*build(setting), verbose=False))


@on_the_grid
def test_seven_loops(setting):
    layer, x = build(setting)
    loops = naive_conv if setting[0] is Conv2D else naive_transpose
    want = loops(x, layer.params["w"], layer.params["b"], *setting[2:4])
    np.testing.assert_allclose(layer.forward(x), want, rtol=1e-12, atol=1e-12)


@on_the_grid
def test_adjoint(setting):
    layer, x = build(setting)
    layer.params["b"][...] = 0                        # y = A(x, w), bilinear
    y = layer.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    Ax_dy = (y * dy).sum()
    x_Atdy = (x * layer.backward(dy)).sum()
    w_Atdy = (layer.params["w"] * layer.grads["w"]).sum()
    size = abs(y * dy).sum()
    assert abs(Ax_dy - x_Atdy) <= 1e-13 * size
    assert abs(Ax_dy - w_Atdy) <= 1e-13 * size


@on_the_grid
def test_the_two_layers_are_each_others_backward(setting):
    cls, kernel, strides, padding, _ = setting
    layer, x = build(setting)
    y_shape = layer.forward(x).shape
    dy = np.random.default_rng(1).standard_normal(y_shape)
    dx = layer.backward(dy)
    twin = {Conv2D: Conv2DTranspose, Conv2DTranspose: Conv2D}[cls](
        3, 2, kernel, strides, padding, dtype="float64")
    twin.params["w"] = layer.params["w"]              # as it stands
    # Images of several sizes have as many windows, and Conv2DTranspose makes
    # one of these sizes; for the others, Conv2D's backward fills the rest.
    same_size = twin.forward(np.zeros(y_shape)).shape == x.shape
    assert same_size or cls is Conv2D
    if same_size:
        np.testing.assert_array_equal(twin.forward(dy), dx)


def naive_conv(x, w, b, strides, padding):
    """Convolution as its definition reads, one product at a time."""
    (N, H, W, C), (KH, KW, _, F), (SH, SW) = x.shape, w.shape, strides
    if padding == "same":
        OH, OW = -(-H // SH), -(-W // SW)
        top = max((OH - 1) * SH + KH - H, 0) // 2
        left = max((OW - 1) * SW + KW - W, 0) // 2
    else:
        OH, OW, top, left = (H - KH) // SH + 1, (W - KW) // SW + 1, 0, 0
    y = np.zeros((N, OH, OW, F)) + b
    for n, oh, ow, f, i, j, c in np.ndindex(N, OH, OW, F, KH, KW, C):
        row, column = oh * SH + i - top, ow * SW + j - left
        if 0 <= row < H and 0 <= column < W:
            y[n, oh, ow, f] += x[n, row, column, c] * w[i, j, c, f]
    return y


def naive_transpose(x, w, b, strides, padding):
    """Every pixel stamps the kernel, scaled, on the output: Keras' rules."""
    (N, OH, OW, C), (KH, KW, F, _), (SH, SW) = x.shape, w.shape, strides
    if padding == "same":
        H, W = OH * SH, OW * SW
        top, left = max(KH - SH, 0) // 2, max(KW - SW, 0) // 2
    else:
        H, W = OH * SH + max(KH - SH, 0), OW * SW + max(KW - SW, 0)
        top, left = 0, 0
    y = np.zeros((N, H, W, F)) + b
    for n, oh, ow, f, i, j, c in np.ndindex(N, OH, OW, F, KH, KW, C):
        row, column = oh * SH + i - top, ow * SW + j - left
        if 0 <= row < H and 0 <= column < W:
            y[n, row, column, f] += x[n, oh, ow, c] * w[i, j, f, c]
    return y


def test_im2col_has_the_windows_and_col2im_adds_them_up():
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    cols = im2col(x, (2, 2), (1, 2), "valid")                 # (1, 2, 2, 4)
    assert cols[0, 1, 1].tolist() == [6, 7, 10, 11]
    back = col2im(np.ones_like(cols), (3, 4), (2, 2), (1, 2), "valid")
    assert back[0, :, :, 0].tolist() == [[1] * 4, [2] * 4, [1] * 4]


@pytest.mark.parametrize("size, kernel, stride, padding, expected", [
    (28, 3, 2, "valid", (13, 0, 0)),    # the tutorial's encoder: 28 → 13 → 6
    (13, 3, 2, "valid", (6, 0, 0)),
    (28, 3, 2, "same", (14, 0, 1)),     # one zero, and that one after
    (28, 3, 1, "same", (28, 1, 1)),
    (7, 2, 3, "same", (3, 0, 1)),
    (6, 1, 3, "same", (2, 0, 0))])      # a stride that skips needs no zeros
def test_windows(size, kernel, stride, padding, expected):
    assert windows(size, kernel, stride, padding) == expected


def test_the_trio_is_bilinear():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5, 4, 2)), rng.standard_normal((3, 2, 2, 3))
    settings = (2, 1), "same"
    y = correlate(x, w, *settings)
    dy = rng.standard_normal(y.shape)
    a = (y * dy).sum()
    b = (x * correlate_dx(dy, w, (5, 4), *settings)).sum()
    c = (w * correlate_dw(x, dy, (3, 2), *settings)).sum()
    assert a == pytest.approx(b, rel=1e-13) == pytest.approx(c, rel=1e-13)


def test_bad_settings_get_a_sentence():
    with pytest.raises(ValueError, match="padding is 'full'; it can be"):
        Conv2D(1, 1, 3, padding="full")
    with pytest.raises(ValueError, match="strides is 0"):
        Conv2D(1, 1, 3, 0)
    with pytest.raises(ValueError, match="kernel_size is 2.5"):
        Conv2DTranspose(1, 1, (3, 2.5))
    with pytest.raises(ValueError, match="kernel_size is .*two numbers"):
        Conv2D(1, 1, (3, 3, 3))
    with pytest.raises(ValueError, match="filters is -1"):
        Conv2DTranspose(1, -1, 3)
    with pytest.raises(ValueError, match="a kernel of 3 does not fit into 2 "
                       "pixels; use larger images, a smaller kernel or"):
        Conv2D(1, 1, 3).forward(np.zeros((1, 2, 5, 1), "float32"))
    for cls in Conv2D, Conv2DTranspose:
        with pytest.raises(ValueError, match=r"x has shape \(5, 5, 2\), but "
                           r"\(N, ., ., 2\) was expected"):
            cls(2, 1, 3).forward(np.zeros((5, 5, 2), "float32"))
        with pytest.raises(ValueError, match=r"\(1, 5, 5, 3\)"):
            cls(2, 1, 3).forward(np.zeros((1, 5, 5, 3), "float32"))


def test_images_that_are_too_narrow_get_a_sentence():
    with pytest.raises(ValueError, match="a kernel of 3 does not fit into 2"):
        Conv2D(1, 1, 3).forward(np.zeros((1, 5, 2, 1), "float32"))
    assert "strides=(2, 1)" in repr(Conv2D(1, 1, 3, (2, 1)))
    assert repr(Conv2D(1, 4, 3, 2)) == ("Conv2D(1, 4, 3, strides=2, "
                                        "padding='valid')")
    assert "Conv2D(1, 4, (3, 2), strides=1, " in repr(Conv2D(1, 4, (3, 2)))


@pytest.mark.parametrize("shape", [(2, 0, 3, 1), (2, 3, 0, 1), (0, 0, 3, 1)])
@pytest.mark.parametrize("padding", PADDINGS)
def test_images_of_no_pixel_get_a_sentence(shape, padding):
    for cls in Conv2D, Conv2DTranspose:
        with pytest.raises(ValueError, match=r"x has shape .*but \(N, H, W, 1"
                           r"\) was expected, none of them 0"):
            cls(1, 2, 3, 2, padding).forward(np.zeros(shape, "float32"))
