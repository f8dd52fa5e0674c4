"""How noisy a photo is: by its measurements, and by the trial of a denoising model."""

from i2i.images.quality import PhotoQuality
from i2i.inference.auto import thresholds
from i2i.inference.auto.steps import Trial


def noise_level(quality: PhotoQuality) -> float:
    """Return σ of the noise of a photo by its measurements alone, in grey levels.

    Returns: 0 where nothing but texture or line art was measured.
    """
    if quality.equal_share > thresholds.MAX_EQUAL_SHARE:
        return 0.0
    fine = quality.noise if quality.texture <= thresholds.MAX_TEXTURE else 0.0
    coarse = quality.coarse_noise if quality.coarse_texture <= thresholds.MAX_TEXTURE else 0.0
    return max(fine, coarse)


def is_certain(quality: PhotoQuality) -> bool:
    """Return whether the measurements alone show noise that is independent between pixels."""
    return (
        quality.noise >= thresholds.CERTAIN_SIGMA
        and quality.texture <= thresholds.CERTAIN_TEXTURE
        and quality.equal_share <= thresholds.MAX_EQUAL_SHARE
    )


def suspected_noise(quality: PhotoQuality) -> float:
    """Return the highest σ that the noise of a photo may have, in grey levels; 0 if a trial is not worth while.

    Texture counts too, and so do stains of colour. In a strongly compressed JPEG they may be its artefacts, so that it
    takes more to suspect noise there.
    """
    if quality.lowest_quality <= thresholds.DEJPEG_QUALITY:
        level = noise_level(quality)
        return level if level >= thresholds.NOISE_SIGMA else 0.0
    if quality.equal_share > thresholds.MAX_EQUAL_SHARE:
        return 0.0
    stains = quality.colour_noise if quality.colour_noise >= thresholds.COLOUR_NOISE_SIGMA else 0.0
    level = max(quality.noise, quality.coarse_noise, stains)
    return level if level >= thresholds.TRIAL_SIGMA else 0.0


def confirmed_noise(quality: PhotoQuality, trial: Trial) -> float:
    """Return σ of the noise of a photo after the trial of a model, in grey levels; 0 if the model finds next to none.

    A denoising model leaves texture as it is. Where it removes far less than was measured, that is the noise.
    """
    removed = trial.removed
    if removed < max(thresholds.MIN_REMOVED, thresholds.MIN_REMOVED_SHARE * suspected_noise(quality)):
        return 0.0
    measured = noise_level(quality)
    return measured if thresholds.NOISE_SIGMA <= measured <= 2 * removed else removed
