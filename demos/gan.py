"""What does a GAN gain, and what does it lose?

    python demos/gan.py                      Fashion-MNIST
    python demos/gan.py --images mnist
    python demos/gan.py --shipped            no training: the one that ships

Trains a generator against a discriminator (minivae/beyond/gan.py). No loss
says how good the generator is: each is measured against the other. So now and
then the demo looks at a few thousand draws through a classifier's eyes: how
far are they from real images (Frechet distance), how many look real
(precision), how much of what is real do they cover (recall), and how many are
of each class? Nothing in a GAN's loss asks for all classes: a generator that
makes good shirts only may be taken for real more often than one that tries
everything. That is mode collapse, and shows in the shares.

Two things keep the discriminator from being too sure of itself: it sees all
images through noise (instance_noise.py), and a penalty keeps it flat (r1.py).
Try --images mnist --noise 0: there the distance, of 2,000 draws, is smallest,
65, after 1,200 steps, 489 after 3,000, and 151 in the end; with both it falls
to 8, and with --r1 0 to 13. (On a GPU; rounding changes such a run.)

Twelve minutes of one core's time; the pictures go to runs/gan.
"""
if __name__ == "__main__":
    import common.ctrl_c     # noqa: F401

import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from minivae import Adam, choose_device
from minivae.backend import get_xp, move, to_numpy
from minivae.beyond.classifier import LOADERS, load_classifier
from minivae.beyond.conv_gan import conv_gan, load_gan
from minivae.beyond.weights import round_weights, write_weights
from minivae.data import to_float
from minivae.plots import pixels, save_frame, show, tile

from common.command_line import at_least_0, run
from common.own_folder import own_folder
from common.relatives_options import relatives_parser
from common.sample_scores import Judge

RATE_D, RATE_G, BATCH = 3e-4, 8e-4, 64
R1_EVERY = 4      # steps; Karras et al. 2020 multiply the weight by that
LOOKS, FEW, MANY = 20, 2000, 10000


# ---- training --------------------------------------------------------------

def train(gan, images, steps, noise, r1, rng, look):
    """Train both networks; call look(step, D's loss, G's) now and then.

    noise: the instance noise's standard deviation; r1: the penalty's weight,
    at every fourth step.
    """
    adam_d = Adam(gan.discriminator.params, RATE_D, beta_1=0.5, beta_2=0.99)
    adam_g = Adam(gan.generator.params, RATE_G, beta_1=0.5, beta_2=0.99)
    xp = get_xp(images)

    def instance_noise(n):
        shape = n, *images.shape[1:]
        return noise * move(rng.standard_normal(shape, np.float32), xp)
    for step in tqdm(range(steps), "training", unit=" steps", leave=False,
                     disable=None):
        for adam, rate in (adam_d, RATE_D), (adam_g, RATE_G):
            adam.learning_rate = rate * (1 - step / steps)
        indices = move(rng.integers(0, len(images), BATCH), xp)
        loss_d, grads = gan.discriminator_loss_and_grads(
            to_float(images[indices]), gan.noise(BATCH, rng),
            instance_noise(2 * BATCH), r1 * (step % R1_EVERY == 0))
        adam_d.step(grads)
        loss_g, grads = gan.generator_loss_and_grads(
            gan.noise(BATCH, rng), instance_noise(BATCH))
        adam_g.step(grads)
        if (step + 1) % (steps // LOOKS) == 0:
            look(step + 1, loss_d, loss_g)


# ---- what is printed and drawn ---------------------------------------------

def print_row(when, scores, losses=""):
    tqdm.write(f"{when:>9}{scores.distance:10.1f}{scores.precision:11.2f}"
               f"{scores.recall:8.2f}  {losses}".rstrip())


def print_shares(scores, judge, names):
    print("\nshare of each class, as the classifier sees them, in %:")
    for name, real, made in zip(names, judge.shares, scores.shares):
        print(f"  {name:<12}real {100 * real:5.1f}   drawn {100 * made:5.1f}")


def conclusion(log, last, judge, names):
    """Say in words what the numbers show."""
    gone = [names[k] for k in last.missing(judge.shares)]
    lines = ["No class is missing." if not gone else
             f"Missing, or nearly so: {', '.join(gone)}."]
    if log:
        steps, seen = zip(*log)
        best = int(np.argmin([scores.distance for scores in seen]))
        lines.append(f"The distance was smallest, {seen[best].distance:.1f}, "
                     f"after {steps[best]:,} of {steps[-1]:,} steps" + (
                         ": the end." if best == len(log) - 1 else
                         f", and {seen[-1].distance:.1f} in the end."))
    return "\n".join(lines)


def draw_samples(path, made, real):
    """Draw the first hundred of either: nobody has chosen them."""
    figure = Figure(figsize=(10, 5.3), dpi=100, layout="constrained")
    for ax, images, title in zip(figure.subplots(1, 2), (made, real), (
            "the first 100 draws", "100 real images")):
        show(ax, tile(images[:100], 10), title)
    save_frame(path, pixels(figure))


def draw_scores(path, log, last, judge, names):
    """Draw the scores over time, if there are any, and the classes at last."""
    figure = Figure(figsize=(13 if log else 5, 4), dpi=100,
                    layout="constrained")
    *curves, classes = figure.subplots(1, 3 if log else 1, squeeze=False)[0]
    if log:
        distance, balls = curves
        steps, seen = zip(*log)
        distance.plot(steps, [scores.distance for scores in seen], "o-")
        distance.set(title="Fréchet distance: less is better", xlabel="step")
        distance.set_ylim(bottom=0)
        for name, style in ("precision", "C1s-"), ("recall", "C2o-"):
            balls.plot(steps, [getattr(scores, name) for scores in seen],
                       style, label=name)
        balls.set(title="precision and recall", xlabel="step", ylim=(0, 1))
        balls.legend()
    places = np.arange(len(names))
    classes.bar(places - 0.2, judge.shares, 0.4, color="0.6", label="real")
    classes.bar(places + 0.2, last.shares, 0.4, color="C3", label="drawn")
    classes.set(title="the share of each class, to a classifier",
                ylim=(0, 1.2 * max(*judge.shares, *last.shares)))
    classes.set_xticks(places, names, rotation=40, ha="right", fontsize=8)
    classes.legend(ncols=2)
    save_frame(path, pixels(figure))


@own_folder
def main(args):
    data, rng = LOADERS[args.images](), np.random.default_rng(args.seed)
    judge = Judge(load_classifier(args.images), data.test_images)
    names, log = data.class_names, []
    print(f"{'step':>9}  distance  precision  recall  loss of D, of G")

    def look(step, *losses):
        scores = judge.look(to_numpy(gan.sample(FEW, 0)))
        log.append((step, scores))
        print_row(f"{step:,}", scores, "%9.2f%6.2f" % losses)

    if args.shipped:
        gan = load_gan(args.images)
    else:
        xp, _ = choose_device(args.device)
        images = move(data.train_images[:args.limit], xp)
        gan = conv_gan(rng=rng).to(xp)
        with threadpool_limits(1):  # small products: more threads would wait
            train(gan, images, args.steps, args.noise, args.r1, rng, look)
        round_weights(gan.to(np).generator)
        write_weights(args.out / "generator.npz", gan.generator)
    made = gan.sample(MANY, 1)
    last = judge.look(made)
    print(f"\n{MANY:,} draws, and as many real images from training:")
    print_row("draws", last)
    print_row("real", judge.look(data.train_images[:MANY]))
    print_shares(last, judge, names)
    draw_samples(args.out / "samples.png", made, data.test_images)
    draw_scores(args.out / "scores.png", log, last, judge, names)
    print(f"""
{conclusion(log, last, judge, names)}

Look at {args.out / "samples.png"}: nobody has chosen these draws.
scores.png has the classes{", and the scores during training" * bool(log)}.""")


def parse_arguments():
    options = relatives_parser(__doc__, "runs/gan", steps=4000, quick=500,
                               least=LOOKS)
    add = options.add_argument
    add("--noise", type=at_least_0, default=0.3, metavar="S",
        help="standard deviation of the instance noise (0.3)")
    add("--r1", type=at_least_0, default=10.0, metavar="W",
        help="weight of the penalty on D's slope, at every fourth step (10)")
    return options.parse_args()


if __name__ == "__main__":
    run(main, parse_arguments)
