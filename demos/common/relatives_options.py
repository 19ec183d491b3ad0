"""The options of the demos of minivae/beyond: each trains, or looks."""
import argparse

from minivae.beyond.classifier import LOADERS

from .command_line import at_least, parser


def relatives_parser(doc: str, out: str, steps: int, quick: int,
                     least: int = 1) -> argparse.ArgumentParser:
    """Return a parser for a demo that trains for so many steps.

    args.steps is what was asked for last, --steps or --quick.
    """
    options = parser(doc, out, limit=60000)
    add = options.add_argument
    add("--images", choices=sorted(LOADERS), default="fashion",
        help="what to draw (fashion)")
    add("--steps", type=at_least(least, 10 ** 6), default=steps, metavar="N",
        help=f"steps of training ({steps})")
    add("--quick", action="store_const", dest="steps", const=quick,
        help=f"{quick:,} steps")
    add("--shipped", action="store_true",
        help="train nothing: look at what ships")
    return options
