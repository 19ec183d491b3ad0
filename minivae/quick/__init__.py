"""The same functions, quicker: what exists only for speed, in one room.

Nobody needs to read this to understand a VAE. Each function that is marked
with quick_form_of computes what the plain one of the same name computes, to
the last bit or up to rounding (tests/test_quick.py); `function.plain` is the
plain one. README.md, beside this file, says why each is quicker, and by how
much.

    products.py      products of matrices, in pieces
    copies.py        im2col and col2im, in long runs
    convolution.py   the trio of conv.py, a few images at a time
"""
from . import convolution      # noqa: F401    it registers its forms
