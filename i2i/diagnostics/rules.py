"""Rules: when a health metric indicates a failure, its message, and the suggested flags.

The thresholds were set by experiment. Ranges that were measured:

============================  ============================  ==========================
metric                        real images (1)               short healthy trainings
============================  ============================  ==========================
blackness                     -0.19 to 0.19
saturation                    -0.17 to 0.17
diversity                     0.56 to 2                     above 0.36
change                        above 0.7                     above 0.3
luminance                     above -0.24                   above 0.4
checkerboard and its levels   never above 3.2 and 4 both    up to 4.5 levels
hidden_gain                                                 up to 0.5
D's loss / chance loss                                      from 0.24
excess                                                      below 0.001 (2 restorers)
spot_share                                                  up to 0.32 (5 trainings)
============================  ============================  ==========================

(1) Photos, zebras, facades and their labels, four or eight at a time, compared with others of their kind.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from i2i.diagnostics import suggestions as suggest
from i2i.diagnostics.health_metrics import HealthMetrics

# D's loss if it cannot tell real images from fakes. The critics of wgan and wgan-gp have no such value.
CHANCE_LOSS = {"minimax": 2 * math.log(2), "non-saturating": 2 * math.log(2), "lsgan": 0.5, "hinge": 2.0}
DISCRIMINATOR_LOSS = "D/adversarial"  # prefix of the names of D's losses


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A failure that a health metric indicates.

    It is present if the metric is beyond ``threshold``, and gone if the metric is on the healthy side of
    ``recovered_at``. Between the two, the last result stands.
    """

    name: str  # stored in log.jsonl and in training states
    metric: str
    threshold: float
    recovered_at: float
    message: str  # with {where}, the direction or discriminator, and {value}, the metric
    suggestions: tuple[suggest.Suggestion, ...]
    condition: Callable[[HealthMetrics], bool] = lambda metrics: True  # must hold as well
    warmup_factor: int = 1  # the rule is skipped for so many times the usual warm-up
    suppresses: tuple[str, ...] = ()  # names of failures that follow from this one and are not reported with it

    def is_failing(self, metrics: HealthMetrics) -> bool | None:
        """Return True for a failure, False for healthy; None in between or if the metric is missing."""
        value = metrics.get(self.metric)
        if value is None:
            return None
        sign = 1 if self.threshold > self.recovered_at else -1  # -1: small values are failures
        if sign * value > sign * self.threshold and self.condition(metrics):
            return True
        if sign * value > sign * self.recovered_at and self.condition(metrics):
            return None
        return False


SAMPLE_RULES = (
    Rule(
        name="thrown off", metric="excess", threshold=0.5, recovered_at=0.1,
        message="{where}: the output has diverged: it lies outside the range of images, by {value:.3g} on average "
        "(the range is -1 to 1)",
        suggestions=(suggest.clip_gradients,),
        suppresses=("black", "saturated", "collapsed", "unchanged", "inverted", "checkerboard"),
    ),
    Rule(
        name="black", metric="blackness", threshold=0.5, recovered_at=0.4,
        message="{where}: the output is black: {value:.0%} more black pixels than in real images",
        suggestions=(suggest.use_instance_norm, suggest.use_float32),
        suppresses=("saturated", "collapsed", "inverted"),
    ),
    Rule(
        name="saturated", metric="saturation", threshold=0.35, recovered_at=0.25,
        message="{where}: the output is saturated: {value:.0%} more saturated values than in real images",
        suggestions=(suggest.add_identity_loss, suggest.use_hinge_and_r1),
    ),
    Rule(
        name="collapsed", metric="diversity", threshold=0.2, recovered_at=0.3,
        message="{where}: mode collapse: the outputs are nearly the same for all inputs, {value:.2f} times as diverse "
        "as real images",
        suggestions=(
            suggest.use_rmsprop, suggest.use_minibatch_std, suggest.use_hinge_and_r1,
            suggest.raise_reconstruction_weight,
        ),
    ),
    Rule(
        name="unchanged", metric="change", threshold=0.1, recovered_at=0.15,
        message="{where}: the output is a copy of the input: {value:.2f} times the difference between the domains",
        suggestions=(suggest.lower_reconstruction_weight, suggest.use_hinge_and_r1),
    ),
    Rule(
        name="inverted", metric="luminance", threshold=-0.3, recovered_at=-0.1,
        message="{where}: light and dark are swapped: the luminance correlates with {value:.2f}",
        suggestions=(suggest.add_identity_loss, suggest.change_seed),
    ),
    Rule(
        name="checkerboard", metric="checkerboard_levels", threshold=6.0, recovered_at=4.0, warmup_factor=2,
        condition=lambda metrics: metrics["checkerboard"] > 4,
        message="{where}: the output has a checkerboard pattern from upsampling, of {value:.0f} grey levels",
        suggestions=(suggest.use_resize_upsampling,),
    ),
    Rule(
        name="hidden", metric="hidden_gain", threshold=1.25, recovered_at=0.8,
        condition=lambda metrics: metrics["hidden"] > 1.5,
        message="{where}: steganography: the cycle reconstruction depends on invisible noise in the output; it gets "
        "{value:.1f} grey levels worse for each grey level of noise that is added",
        suggestions=(suggest.lower_cycle_weight,),
    ),
    Rule(
        name="blind", metric="judgement", threshold=0.01, recovered_at=0.03,
        message="{where}: the discriminator gives the same logits for all images, within {value:.3f}",
        suggestions=(suggest.lower_r1, suggest.more_discriminator_steps),
    ),
)  # fmt: skip
GENERATOR_RULES = (
    # Five trainings with spots, of 2,500 steps and more, had 0.76 to 0.99.
    Rule(
        name="spots", metric="spot_share", threshold=0.6, recovered_at=0.45, warmup_factor=2,
        message="{where}: spots under instance norm: 1 % of an image holds {value:.0%} of the variance that a norm "
        "divides by, which weakens the rest of the image and may show as a blot",
        suggestions=(suggest.raise_norm_eps,),
    ),
)  # fmt: skip
DISCRIMINATOR_RULES = (
    Rule(
        name="winning", metric="loss", threshold=0.03, recovered_at=0.1,
        message="{where}: the discriminator wins and gives no useful gradients: its loss is {value:.3f} times the loss "
        "of guessing",
        suggestions=(
            suggest.use_hinge_and_r1, suggest.augment_discriminator, suggest.shrink_discriminator,
        ),
    ),
    Rule(
        name="fooled", metric="loss", threshold=1.3, recovered_at=1.0,
        message="{where}: the discriminator takes fakes for real images and real images for fakes: its loss is "
        "{value:.2f} times the loss of guessing",
        suggestions=(suggest.lower_r1, suggest.more_discriminator_steps),
    ),
)  # fmt: skip
