"""Each quick form computes what the plain one beside it computes."""
import numpy as np
import pytest
from test_conv import build, on_the_grid

from minivae import Conv2D, Conv2DTranspose, conv, layers
from minivae.backend import has_quick_form
from minivae.quick import convolution, copies, products


def both(function, *args):
    """Return what the quick form and the plain one compute."""
    assert function.quick is not function.plain
    return function(*args), function.plain(*args)


def test_no_quick_form_is_left_out_here():
    forms = {key for module in (conv, layers)
             for key, value in vars(module).items()
             if isinstance(value, has_quick_form)}
    assert forms == {"correlate", "correlate_dx", "correlate_dw",
                     "correlate_and_dw", "sum_pixels"}


@on_the_grid
@pytest.mark.parametrize("dtype, digits", [("float64", 1e-13),
                                           ("float32", 1e-4)])
@pytest.mark.parametrize("images", [1, 2, None])
def test_convolution(setting, dtype, digits, images, monkeypatch):
    cls, kernel, strides, padding, _ = setting
    if images:                                        # in tiles of so many
        monkeypatch.setattr(convolution, "tiles", lambda x, numbers: [
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
             *zip(*both(conv.correlate_and_dw, x, w, dy, *settings))]
    for a, b in pairs:
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=digits, atol=digits)


def im2col(x, *settings, images=2):
    """quick's im2col of all tiles, joined."""
    tiles = [slice(n, n + images) for n in range(0, len(x), images)]
    return np.concatenate(list(copies.im2col(x, tiles, *settings)))


@on_the_grid
def test_im2col_and_col2im_to_the_bit(setting):
    cls, kernel, strides, padding, _ = setting
    layer, x = build(setting)
    if cls is Conv2DTranspose:
        x = layer.forward(x)
    x = np.concatenate([x, -x, 2 * x])[:5]         # the last tile is smaller
    plain = conv.im2col(x, kernel, strides, padding)
    cols = im2col(x, kernel, strides, padding)
    np.testing.assert_array_equal(cols.reshape(plain.shape), plain)
    np.testing.assert_array_equal(
        copies.col2im(cols, x.shape[1:3], strides, padding),
        conv.col2im(plain, x.shape[1:3], kernel, strides, padding))


@pytest.mark.parametrize("channels", [1, 2, 8, 32])
def test_either_order_of_copies(channels):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 8, channels))
    for kernel, strides in [((3, 3), (2, 2)), ((3, 3), (1, 1)),
                            ((2, 3), (1, 3))]:
        for padding in "valid", "same":
            cols = im2col(x, kernel, strides, padding)
            plain = conv.im2col(x, kernel, strides, padding)
            np.testing.assert_array_equal(cols.reshape(plain.shape), plain)
            np.testing.assert_array_equal(
                copies.col2im(cols, (9, 8), strides, padding),
                conv.col2im(plain, (9, 8), kernel, strides, padding))


@pytest.mark.parametrize("strides", [(1, 1), (1, 2), (2, 2), (3, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5),
                                    (3, 2), (7, 3)])
def test_planes(kernel, strides, monkeypatch):
    """Where dx falls into planes they are taken, and right; else col2im."""
    rng, filled = np.random.default_rng(0), []
    real = convolution.fill_planes
    monkeypatch.setattr(convolution, "fill_planes", lambda *args: (
        filled.append(1), real(*args)))
    for OH, OW in (1, 1), (2, 3), (5, 4):
        for spare in range(strides[0]):              # rows that do not divide
            size = OH * strides[0] - spare, OW * strides[1]
            dy = rng.standard_normal((3, OH, OW, 2))
            w = rng.standard_normal((*kernel, 3, 2))
            filled.clear()
            dx, plain = both(conv.correlate_dx, dy, w, size, strides, "same")
            np.testing.assert_allclose(dx, plain, rtol=1e-12, atol=1e-12)
            assert bool(filled) == (
                spare == 0 and kernel[0] >= strides[0]
                and kernel[1] >= strides[1])


# ---- products --------------------------------------------------------------

@pytest.fixture(params=[False, True])
def packing(request, monkeypatch):
    """Both kinds of kernels, and products so small that pieces are cut."""
    products.rows_of_a_piece.cache_clear()
    monkeypatch.setattr(products, "leaves_packing_out", lambda: request.param)
    monkeypatch.setattr(products, "SMALL", 500)
    monkeypatch.setattr(products, "ROWS", 4)
    yield request.param
    products.rows_of_a_piece.cache_clear()


@pytest.mark.parametrize("dtype, digits", [("float64", 1e-13),
                                           ("float32", 1e-5)])
@pytest.mark.parametrize("M", [1, 24, 31, 60])
@pytest.mark.parametrize("order", "CF")
def test_products_in_pieces(packing, M, order, dtype, digits):
    rng = np.random.default_rng(0)
    a = np.asarray(rng.standard_normal((M, 5)), dtype, order)
    b = np.asarray(rng.standard_normal((5, 4)), dtype, order)
    out = np.full((M, 4), np.nan, dtype)
    products.multiply(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=digits, atol=digits)
    c = np.asarray(rng.standard_normal((M, 4)), dtype)
    product = products.multiply_transposed(a, c)
    assert product.dtype == dtype
    np.testing.assert_allclose(product, a.T @ c, rtol=digits, atol=digits)


def test_a_piece_is_the_largest_small_divisor(packing):
    want = {24: 24, 48: 24, 60: 20, 31: 31, 62: 62, 2 * 23: 23, 75: 15}
    for M, rows in want.items():        # below 500 / 20 = 25, and at least 4
        assert products.rows_of_a_piece(M, 20) == (rows if packing else M)
    assert products.rows_of_a_piece(60, 0) == 60
    assert products.rows_of_a_piece(100, 499) == 100             # too thin


@pytest.mark.parametrize("kernels, want", [
    (["SkylakeX"], True), (["SapphireRapids", "SkylakeX"], True),
    (["Haswell"], False), (["SkylakeX", "Zen"], False), ([None], False),
    ([], False)])
def test_only_kernels_that_are_known_get_pieces(kernels, want, monkeypatch):
    products.leaves_packing_out.cache_clear()
    monkeypatch.setattr(products, "threadpool_info", lambda: [
        {"user_api": "openmp", "architecture": "none"},
        *({"user_api": "blas", "architecture": name} for name in kernels)])
    assert products.leaves_packing_out() == want
    products.leaves_packing_out.cache_clear()


# ---- tiles, sums -----------------------------------------------------------

@pytest.mark.parametrize("F", [1, 3])
@pytest.mark.parametrize("N", [0, 2])
def test_db(N, F):
    dy = np.random.default_rng(0).standard_normal((N, 4, 5, F))
    np.testing.assert_allclose(*both(conv.sum_pixels, dy), rtol=1e-12,
                               atol=1e-12)


def test_tiles_hold_what_fits_in_the_cache():
    x, cache = np.zeros((5, 1), "float32"), convolution.L2_CACHE
    tiles = convolution.tiles
    assert tiles(x, cache // 4) == [slice(n, n + 1) for n in range(5)]
    assert tiles(x, cache // 8) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert tiles(x, 0) == [slice(0, cache)]
    assert len(tiles(x, 10 * cache)) == 5                # at least one image
    assert tiles(x[:0], 1) == []


def test_a_batch_of_none_has_the_same_shapes():
    for layer in Conv2D(2, 3, 3, 2, rng=0), Conv2DTranspose(2, 3, 3, 2, rng=0):
        x = np.zeros((0, 7, 6, 2), "float32")
        y = layer.forward(x)
        assert layer.backward(y).shape == x.shape
        assert layer.grads["w"].shape == layer.params["w"].shape
