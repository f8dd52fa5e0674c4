"""From which measurements on ``auto`` applies a model.

`python -m tests.benchmarks.photo_quality` measures what is behind each value. The tables are in
i2i/docs/measurements.md, "Choice of models by the photo".
"""

# Grey levels of noise from which a photo is denoised. At σ 2, three photos of five gain (all of those without grain of
# their own), at σ 3 nine of ten. The noise of clean photos is estimated at up to 2.
NOISE_SIGMA = 2.5
# Variance of the low frequencies of the smoothest blocks relative to that of the high ones, up to which an estimate
# counts as noise: independent noise has 0.5 to 1.5, that of cameras at half the size 1 to 6, texture and line art more.
MAX_TEXTURE = 6.0
# Share of the pixels that equal their neighbour, up to which an image is a photo with noise and no drawing or text.
MAX_EQUAL_SHARE = 0.4
# Noise that needs no trial of the denoising model: from this σ on, with no more low frequencies than independent noise.
CERTAIN_SIGMA = 4.0
CERTAIN_TEXTURE = 1.5
# Other noise is tried from this σ on, by any estimate, and from this σ of colour at a quarter of the size, where clean
# photos have up to 4.
TRIAL_SIGMA = 1.5
COLOUR_NOISE_SIGMA = 5.0
# Grey levels that `denoise` takes off a photo with noise. It takes 0.6 to 1.7 off clean photos, and 1.3 to 2.1 off
# those with Gaussian noise of σ 2; of what was measured, it takes a fifth or more off noise, and 3 % off text.
MIN_REMOVED = 1.8
MIN_REMOVED_SHARE = 0.1
# JPEG quality up to which artefacts are removed. Up to 90 all photos gain, at 95 few; LPIPS is worse from 20 on.
DEJPEG_QUALITY = 85
# JPEG quality below which a small photo is not enlarged with its artefacts: at 70 Lanczos' filter is as good.
SUPERRES_QUALITY = 80
# Sharpness below which a photo was enlarged or blurred before. Super-resolution then gains next to nothing.
SUPERRES_SHARPNESS = 0.007
# Pixels of the longer side up to which a photo is enlarged, and up to which it is enlarged four times if a model does
# that; pixels of the shorter side from which on it is a photo and no icon. These are conventions, not measurements.
SMALL_SIDE = 400
TINY_SIDE = 200
MIN_SIDE = 32
