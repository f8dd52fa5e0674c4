from PIL import Image

from i2i.reports.embed import embed_image


def test_small_images_are_lossless_and_large_ones_are_reduced() -> None:
    small, large = (embed_image(Image.effect_noise((side, side), 60).convert("RGB")) for side in (64, 1200))
    assert small.url.startswith("data:image/png;base64,")
    assert small.pixelated
    assert large.url.startswith("data:image/webp;base64,")
    assert (large.width, large.height) == (1200, 1200)
    assert len(large.url) < 300_000
