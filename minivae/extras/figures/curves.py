"""How the ELBO grows while a VAE learns."""
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .names import save_figure


def save_curves(path: str | Path, log: list[dict]) -> None:
    """Draw minus the loss, and the test images' ELBO, epoch by epoch.

    (Minus the loss is the training images' ELBO, unless beta is not 1.)
    """
    figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
    ax = figure.subplots()
    epochs = [row["epoch"] for row in log]
    train = [-row["train_loss"] for row in log]
    test = [row["test_elbo"] for row in log]
    for elbos, others, style, name in [
            (train, test, "C0o-",
             "training images: minus the loss, mean over the epoch"),
            (test, train, "C1s-", "test images, after the epoch")]:
        ax.plot(epochs, elbos, style, label=name)
        # with few dots, each gets its value; with many, the last
        for i in range(len(log))[0 if len(log) < 5 else -1:]:
            ax.annotate(f"{elbos[i]:.1f}", (epochs[i], elbos[i]),
                        (0, 8 if elbos[i] > others[i] else -15), ha="center",
                        textcoords="offset points", fontsize=9)
    ax.margins(0.1, 0.2)
    ax.set(xlabel="epoch", ylabel="ELBO, nats per image",
           title="The ELBO, epoch by epoch: higher is better")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False)
    save_figure(path, figure)
