"""Each quick form computes what the plain one beside it computes."""
import numpy as np
import pytest
from test_conv import build, on_the_grid

from minivae import Conv2D, Conv2DTranspose, conv, layers, quick
from minivae.backend import has_quick_form


def both(function, *args):
    """Return what the quick form and the plain one compute."""
    assert function.quick is not function.plain
    return function(*args), function.plain(*args)


def test_no_quick_form_is_left_out_here():
    forms = {f"{module.__name__}.{key}" for module in (conv, layers)
             for key, value in vars(module).items()
             if isinstance(value, has_quick_form)}
    assert forms == {"minivae.conv.correlate", "minivae.conv.correlate_dx",
                     "minivae.conv.correlate_dw", "minivae.layers.relu",
                     "minivae.conv.correlate_and_dw",
                     "minivae.conv.sum_pixels"}


@on_the_grid
@pytest.mark.parametrize("dtype, digits", [("float64", 1e-12),
                                           ("float32", 1e-4)])
@pytest.mark.parametrize("images", [1, 2, None])
def test_convolution(setting, dtype, digits, images, monkeypatch):
    cls, kernel, strides, padding, _ = setting
    if images:                                        # in tiles of so many
        monkeypatch.setattr(quick, "tiles", lambda x, numbers: [
            slice(n, n + images) for n in range(0, len(x), images)])
    layer, x = build(setting, dtype=dtype)
    if cls is Conv2DTranspose:                        # as the map that it is
        x = layer.forward(x)                          # the transpose of
    x = np.concatenate([x, 2 * x, -x])[:5]            # not a multiple of two
    settings, w = (strides, padding), layer.params["w"]
    y, want = both(conv.correlate, x, w, *settings)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    pairs = [(y, want),
             both(conv.correlate_dx, dy, w, x.shape[1:3], *settings),
             both(conv.correlate_dw, x, dy, kernel, *settings),
             *zip(*both(conv.correlate_and_dw, x, w, dy, *settings)),
             both(conv.sum_pixels, dy)]
    for a, b in pairs:
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=digits, atol=digits)


@on_the_grid
def test_im2col_and_col2im_to_the_bit(setting):
    cls, kernel, strides, padding, _ = setting
    layer, x = build(setting)
    if cls is Conv2DTranspose:
        x = layer.forward(x)
    plain = conv.im2col(x, kernel, strides, padding)
    cols = quick.im2col(x, kernel, strides, padding)
    np.testing.assert_array_equal(cols.reshape(plain.shape), plain)
    np.testing.assert_array_equal(
        quick.col2im(cols, x.shape[1:3], strides, padding),
        conv.col2im(plain, x.shape[1:3], kernel, strides, padding))


@pytest.mark.parametrize("channels", [1, 2, 8, 32])
def test_either_order_of_copies(channels):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 8, channels))
    for kernel, strides in [((3, 3), (2, 2)), ((3, 3), (1, 1)),
                            ((2, 3), (1, 3))]:
        for padding in "valid", "same":
            cols = quick.im2col(x, kernel, strides, padding)
            plain = conv.im2col(x, kernel, strides, padding)
            np.testing.assert_array_equal(cols.reshape(plain.shape), plain)
            np.testing.assert_array_equal(
                quick.col2im(cols, (9, 8), strides, padding),
                conv.col2im(plain, (9, 8), kernel, strides, padding))


def test_relu_to_the_bit():
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 2))
    for some in x, x[0], x[:0], x.astype("float32"):
        a, b = both(layers.relu, some)
        assert a.dtype == some.dtype
        np.testing.assert_array_equal(a, b)


def test_tiles_hold_what_fits_in_the_cache():
    x, cache = np.zeros((5, 1), "float32"), quick.L2_CACHE
    assert quick.tiles(x, cache // 4) == [slice(n, n + 1) for n in range(5)]
    assert quick.tiles(x, cache // 8) == [slice(0, 2), slice(2, 4),
                                          slice(4, 6)]
    assert quick.tiles(x, 0) == [slice(0, cache)]
    assert len(quick.tiles(x, 10 * cache)) == 5          # at least one image
    assert quick.tiles(x[:0], 1) == []


def test_a_batch_of_none_has_the_same_shapes():
    for layer in Conv2D(2, 3, 3, 2, rng=0), Conv2DTranspose(2, 3, 3, 2, rng=0):
        x = np.zeros((0, 7, 6, 2), "float32")
        y = layer.forward(x)
        assert layer.backward(y).shape == x.shape
        assert layer.grads["w"].shape == layer.params["w"].shape
