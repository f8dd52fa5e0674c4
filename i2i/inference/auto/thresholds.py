"""From which measurements on ``auto`` applies a model.

`python -m tests.benchmarks.photo_quality` measures them; i2i/docs/measurements.md has the tables.
"""

NOISE_SIGMA = (
    2.5  # grey levels from which a photo is denoised: from σ 2 to 3 on, denoising raises the PSNR of most photos
)
MAX_TEXTURE = 4.0  # of an estimate that is noise: independent noise has 0.5 to 1, that of cameras at half size 1 to 4
DEJPEG_QUALITY = 85  # up to which JPEG artefacts are removed: to there all photos gain, at 90 nine of ten, at 95 none
SMALL_SIDE = 400  # pixels of the longer side up to which a photo is enlarged: a convention, not a measurement
TINY_SIDE = 200  # pixels of the longer side up to which it is enlarged four times, if a model does that
MIN_SIDE = 32  # pixels of the shorter side of a photo, not of an icon
SUPERRES_QUALITY = 80  # below it, enlarging a JPEG with its artefacts hardly surpasses Lanczos
SUPERRES_SHARPNESS = 0.007  # below which a photo has been enlarged or blurred, so that super-resolution adds nothing
