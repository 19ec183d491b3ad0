"""The same plane in a window of matplotlib's: move the mouse over it."""
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ...data import Dataset
from ...plots import decode, encode, scatter, show, tile
from ...vae import VAE

CELLS = 20


def open_window(vae: VAE, title: str, data: Dataset | None = None) -> Figure:
    """Build the window and return its figure: pyplot.show() shows it.

    data: whose test images to show as points. Coordinates beyond the second
    are 0. Raises RuntimeError where matplotlib has no screen to draw on.
    """
    import matplotlib.pyplot as plt
    if matplotlib.get_backend().lower() in ("agg", "pdf", "svg", "ps"):
        raise RuntimeError("matplotlib has no window here (its backend is "
                           f"{matplotlib.get_backend()}); without "
                           "--matplotlib a page is written, which needs none")
    codes = encode(vae, data.test_images) if data else np.zeros((1, 2))
    reach = max(3.0, 1.05 * np.quantile(abs(codes), 0.995))
    figure, (plane, image) = plt.subplots(
        1, 2, figsize=(12, 6), width_ratios=[3, 2], layout="constrained")
    line = (np.arange(CELLS) + 0.5) / CELLS * 2 * reach - reach
    cells = np.zeros((CELLS ** 2, vae.latent_dim))
    cells[:, :2] = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    show(plane, tile(decode(vae, cells), CELLS), f"The codes of {title}")
    plane.images[0].set(extent=(-reach, reach, reach, -reach),
                        alpha=0.4 if data else 1)
    if data:
        scatter(plane, codes[:, :2], data.test_labels, data.class_names)
        plane.legend(loc="upper right", fontsize=8, markerscale=4)
    mark, = plane.plot([0], [0], "P", color="C3", markersize=12)
    ticks = np.arange(-int(reach), int(reach) + 1)
    plane.set(xlim=(-reach, reach), ylim=(reach, -reach), xticks=ticks,
              yticks=ticks, xlabel="z[0]", ylabel="z[1], downwards")

    def follow(event=None):
        if event and event.inaxes is not plane:
            return
        z = np.zeros((1, vae.latent_dim))
        if event:
            z[0, :2] = event.xdata, event.ydata
        mark.set_data(z[:, 0], z[:, 1])
        image.clear()
        show(image, decode(vae, z)[0],
             f"z = ({z[0, 0]:.2f}, {z[0, 1]:.2f}), decoded")
        figure.canvas.draw_idle()

    figure.canvas.mpl_connect("motion_notify_event", follow)
    follow()
    return figure
