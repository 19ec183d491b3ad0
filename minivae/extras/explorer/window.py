"""The same plane in a Matplotlib window: move the mouse over it."""
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data import Dataset
from ...plots import decode, encode, show, tile
from ...vae import VAE
from ..figures.codes import scatter
from ..figures.names import add_fonts, literal

CELLS = 20


def open_window(vae: VAE, title: str, data: Dataset | None = None) -> Figure:
    """Build the window and return its figure: pyplot.show() shows it.

    data: its test images are shown as points. z[1] grows upwards; coordinates
    beyond the second are 0; where there is only one, each class has a row.
    Raises RuntimeError where matplotlib has no screen to draw on.
    """
    import matplotlib.pyplot as plt
    if matplotlib.get_backend().lower() in ("agg", "pdf", "svg", "ps"):
        raise RuntimeError("matplotlib has no window here (its backend is "
                           f"{matplotlib.get_backend()}); without "
                           "--matplotlib a page is written, which needs none")
    D = vae.latent_dim
    figure, (plane, image) = plt.subplots(
        1, 2, figsize=(12, 6), width_ratios=[3, 2], layout="constrained")
    draw_plane(plane, vae, title, data)
    if data:
        figure.legend(loc="outside lower center", fontsize=8, markerscale=4,
                      frameon=False, ncols=min(10, len(data.class_names)))
    mark, = plane.plot([0], [0], "P", color="C3", markersize=12)

    def follow(event=None):
        if event and event.inaxes is not plane:
            return
        z = np.zeros((1, D))
        if event:
            z[0, :2] = (event.xdata, event.ydata)[:D]
        at = [*z[0, :2], 0][:2]                  # with D = 1, in the middle
        mark.set_data([at[0]], [at[1]])
        image.clear()
        show(image, decode(vae, z)[0], "z = ({}), decoded".format(
            ", ".join(f"{number:.2f}" for number in z[0, :2])))
        figure.canvas.draw_idle()

    figure.canvas.mpl_connect("motion_notify_event", follow)
    add_fonts(figure)
    follow()
    return figure


def draw_plane(ax: Axes, vae: VAE, title: str, data: Dataset | None) -> None:
    """Draw the landscape, z[1] growing upwards, and the codes of images."""
    D = vae.latent_dim
    codes = encode(vae, data.test_images) if data else np.zeros((1, D))
    reach = max(3.0, 1.05 * np.quantile(abs(codes), 0.995))
    line = (np.arange(CELLS) + 0.5) / CELLS * 2 * reach - reach
    cells = np.zeros((CELLS, CELLS, D))
    cells[..., :2] = np.stack(np.meshgrid(line, line[::-1]), axis=-1)[..., :D]
    show(ax, tile(decode(vae, cells.reshape(-1, D)), CELLS),
         f"The codes of {literal(title)}", alpha=0.4 if data else 1,
         extent=(-reach, reach, -reach, reach))
    if data:
        rows = (data.test_labels + 0.5) / len(data.class_names)
        height = codes[:, 1] if D > 1 else reach * (1 - 2 * rows)
        scatter(ax, np.stack([codes[:, 0], height], axis=1),
                data.test_labels, data.class_names)
    ticks = np.arange(-int(reach), int(reach) + 1)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=ticks,
           yticks=ticks, xlabel="z[0]", ylabel="z[1]")
    if D == 1:
        ax.set(yticks=[], ylabel="")
