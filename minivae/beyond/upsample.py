"""A transposed convolution that can lead back to an odd size."""
from ..backend import Array
from ..conv import Conv2DTranspose


class Upsample(Conv2DTranspose):
    """The transpose of a Conv2D of stride 2: to size, (rows, columns).

    With padding "same", 7 and 8 rows both become 4; back from 4, a
    Conv2DTranspose makes 8, and this layer what it is asked for.
    """

    def __init__(self, in_channels: int, filters: int, size: tuple[int, int],
                 **settings):
        super().__init__(in_channels, filters, 3, 2, "same", **settings)
        self.size = size

    def output_size(self, x: Array) -> tuple[int, ...]:
        return self.size
