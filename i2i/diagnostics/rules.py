"""When a sign is an illness, how it is said, and what helps. The limits were set by experiment.

Real photos, zebras, facades and their labels, four or eight at a time and held against others of their kind, stay
within: blackness ±0.19, saturation ±0.17, diversity 0.56 to 2, change above 0.7, luminance above -0.24, and never a
grid of both 4 grey levels and 3.2 times what others have. Short healthy trainings stay within: diversity above 0.36,
change above 0.3, luminance above 0.4, a grid of up to 4.5 grey levels, a hidden gain of up to 0.5, D's loss from 0.24.
Two restorers stayed below an excess of 0.001.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from i2i.diagnostics import suggestions as by
from i2i.diagnostics.health_metrics import Signs

# D's loss where it takes every picture for half real; the critics of wgan and wgan-gp only compare, and have none.
UNDECIDED = {"minimax": 2 * math.log(2), "non-saturating": 2 * math.log(2), "lsgan": 0.5, "hinge": 2.0}
DISCRIMINATOR = "D/adversarial"  # how the names of D's terms begin


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An illness. ``says`` takes the place where it is and the sign's value.

    It is there where the sign is beyond ``limit``, and gone where it is on the near side of ``well``.
    """

    name: str
    sign: str
    limit: float
    well: float
    says: str
    remedies: tuple[by.Remedy, ...]
    also: Callable[[Signs], bool] = lambda signs: True  # what else must hold for it to be there
    youth: int = 1  # how many times as long as usual it is part of growing up
    hides: tuple[str, ...] = ()  # illnesses that follow from it, and are not said beside it

    def ill(self, signs: Signs) -> bool | None:
        """Whether it is there; None: neither there nor gone, or nothing can be told."""
        value = signs.get(self.sign)
        if value is None:
            return None
        high = self.limit > self.well
        beyond = value > self.limit if high else value < self.limit
        if beyond and self.also(signs):
            return True
        return None if (value > self.well if high else value < self.well) and self.also(signs) else False


PICTURES = (
    Rule(
        name="thrown off", sign="excess", limit=0.5, well=0.1,
        says="{where}: the output lies far off the scale, by {value:.3g} times the way from middle grey to white",
        remedies=(by.shorter_gradients,),
        hides=("black", "saturated", "collapsed", "unchanged", "inverted", "checkerboard"),
    ),
    Rule(
        name="black", sign="blackness", limit=0.5, well=0.4,
        says="{where}: the output is black, {value:.0%} more of it than of real pictures",
        remedies=(by.own_statistics, by.full_precision), hides=("saturated", "collapsed", "inverted"),
    ),
    Rule(
        name="saturated", sign="saturation", limit=0.35, well=0.25,
        says="{where}: the output is driven to the ends of the scale, {value:.0%} more of it than of real pictures",
        remedies=(by.kept_colours, by.steadier_game),
    ),
    Rule(
        name="collapsed", sign="diversity", limit=0.2, well=0.3,
        says="{where}: nearly the same comes out whatever goes in, {value:.2f} times as diverse as real pictures",
        remedies=(by.no_momentum, by.sight_of_the_batch, by.steadier_game, by.firmer_anchor),
    ),
    Rule(
        name="unchanged", sign="change", limit=0.1, well=0.15,
        says="{where}: the output is the input, with {value:.2f} of the change from one kind to the other",
        remedies=(by.looser_anchor, by.steadier_game),
    ),
    Rule(
        name="inverted", sign="luminance", limit=-0.3, well=-0.1,
        says="{where}: light and dark are swapped, with a correlation of {value:.2f}",
        remedies=(by.kept_colours, by.another_seed),
    ),
    Rule(
        name="checkerboard", sign="checkerboard_levels", limit=6.0, well=4.0, youth=2,
        also=lambda signs: signs["checkerboard"] > 4,
        says="{where}: the output lies under a grid from the upsampling, of {value:.0f} grey levels",
        remedies=(by.smoother_upsampling,),
    ),
    Rule(
        name="hidden", sign="hidden_gain", limit=1.25, well=0.8,
        also=lambda signs: signs["hidden"] > 1.5,
        says="{where}: faint noise in the output hides what the way back needs, which gets {value:.1f} grey levels "
        "worse for each that the output is disturbed by",
        remedies=(by.looser_cycle,),
    ),
    Rule(
        name="blind", sign="judgement", limit=0.01, well=0.03,
        says="{where}: the discriminator says the same of every picture, within {value:.3f}",
        remedies=(by.freer_critic, by.busier_critic),
    ),
)  # fmt: skip
CRITIC = (
    Rule(
        name="winning", sign="loss", limit=0.03, well=0.1,
        says="{where}: the discriminator wins and has nothing to teach any more: {value:.3f} times the loss of a guess",
        remedies=(by.steadier_game, by.fresher_pictures, by.weaker_critic),
    ),
    Rule(
        name="fooled", sign="loss", limit=1.3, well=1.0,
        says="{where}: the discriminator takes fakes for real and real pictures for fakes, with {value:.2f} times the "
        "loss of a guess",
        remedies=(by.freer_critic, by.busier_critic),
    ),
)  # fmt: skip
