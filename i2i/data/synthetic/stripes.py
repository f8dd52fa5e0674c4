"""The `stripes` dataset: animals in a landscape, with a plain coat (domain A) or a striped one (domain B).

Unpaired, with hidden targets. The stripes are a function of the silhouette alone: of the position along the body, the
neck or the leg. A translator can learn them from unpaired images and be scored per pixel against the target.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from i2i.data.synthetic.drawing import (
    Colour,
    ImageArray,
    Plane,
    add_sensor_noise,
    blend,
    coverage,
    draw_landscape,
    pixel_grid,
    rgb_colour,
    smooth_noise,
    vary_colour,
)

SENSOR_NOISE = 9.0  # σ of each image, in grey levels
PLAIN_STRIPE_CONTRAST = 7.0  # ± grey levels of the stripes of a plain coat
PERIOD = 1 / 4.5  # of the stripes along body, neck and head, in body lengths
LEG_PERIOD = 0.17  # of the legs' stripes, in body lengths
WHITE, BLACK = rgb_colour(218, 216, 210), rgb_colour(42, 40, 42)
TAN, BAY = rgb_colour(186, 138, 92), rgb_colour(112, 68, 44)  # the plain coats vary between these
HAIR = rgb_colour(54, 46, 42)  # mane, tail, hooves and eye in both domains, which differ only in the coat

Point = tuple[float, float]  # x towards the head, y down from the body's centre, in body lengths


@dataclass(frozen=True)
class Limb:
    """A cone with round ends, in the animal's coordinates."""

    start: Point
    end: Point
    radii: tuple[float, float]

    def distance_and_position(self, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """Return signed distance to the surface (negative inside) and position along the axis, in body lengths."""
        length = float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))
        dx = np.float32((self.end[0] - self.start[0]) / length)
        dy = np.float32((self.end[1] - self.start[1]) / length)
        px, py = x - np.float32(self.start[0]), y - np.float32(self.start[1])
        along = px * dx + py * dy
        t = np.clip(along, 0, np.float32(length))
        px -= t * dx
        py -= t * dy
        thinning = np.float32((self.radii[1] - self.radii[0]) / length)
        return cv2.magnitude(px, py) - (np.float32(self.radii[0]) + t * thinning), along

    def distance(self, x: Plane, y: Plane) -> Plane:
        return self.distance_and_position(x, y)[0]


@dataclass(frozen=True)
class Animal:
    """A pose: limbs, grouped by the direction of their stripes, and the animal's position."""

    near_legs: tuple[Limb, ...]
    far_legs: tuple[Limb, ...]
    hooves: tuple[Limb, ...]
    neck: Limb
    head: Limb
    ears: tuple[Limb, ...]
    eye: Limb
    hair: tuple[Limb, ...]
    length: float  # of the body, in image widths
    centre: Point  # of the body, in image widths
    rotation: float  # radians
    side: int  # 1 faces right, -1 left

    def coordinates(self, size: int) -> tuple[Plane, Plane]:
        """Return the animal's coordinates of each pixel: forward (H, W) and down (H, W), in body lengths."""
        x, y = pixel_grid(size)
        x = x - np.float32(self.centre[0])
        y = y - np.float32(self.centre[1])
        cos = np.float32(np.cos(self.rotation))
        sin = np.float32(np.sin(self.rotation))
        forward = (x * cos + y * sin) * np.float32(self.side / self.length)
        down = (y * cos - x * sin) * np.float32(1 / self.length)
        return forward, down


BODY = Limb((-0.27, 0.0), (0.26, 0.015), (0.23, 0.225))
CROUP = Limb((-0.28, -0.03), (-0.24, 0.0), (0.22, 0.21))
NECK_BASE: Point = (0.33, -0.05)
NECK_LENGTH = 0.46
LEG_STRIPE_START = 0.30  # y of a black stripe across the legs


def _point(start: Point, length: float, angle: float) -> Point:
    """Return the point at a distance from ``start``. ``angle`` is in radians from straight down, towards the head."""
    return start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))


def _leg(rng: np.random.Generator, hip: Point) -> tuple[tuple[Limb, Limb], Limb]:
    """Return upper and lower leg, and the hoof."""
    swing, bend = np.clip(rng.normal(0, 0.16, 2), -0.3, 0.3)
    bend = abs(bend)
    knee = _point(hip, 0.29, swing)
    ankle = _point(knee, 0.25, swing - bend)
    toe = _point(ankle, 0.035, swing - bend + 0.5)
    leg = Limb(hip, knee, (0.115, 0.058)), Limb(knee, ankle, (0.058, 0.044))
    return leg, Limb(ankle, toe, (0.046, 0.050))


def _hair(rng: np.random.Generator, lift: float) -> tuple[Limb, ...]:
    """Return mane and tail."""
    crest = [
        _point(_point(NECK_BASE, along, lift), height, lift + np.pi / 2)
        for along, height in ((0.04, 0.150), (0.26, 0.115), (0.50, 0.060))
    ]
    sway = rng.uniform(-0.7, -0.15)
    dock: Point = (-0.47, -0.10)
    bend = _point(dock, 0.18, sway)
    return (
        Limb(crest[0], crest[1], (0.015, 0.042)),
        Limb(crest[1], crest[2], (0.042, 0.034)),
        Limb(dock, bend, (0.030, 0.030)),
        Limb(bend, _point(bend, 0.24, sway * 0.3), (0.035, 0.055)),
    )


def sample_pose(rng: np.random.Generator) -> Animal:
    """Sample an animal in a random pose."""
    near: list[Limb] = []
    far: list[Limb] = []
    hooves: list[Limb] = []
    for x in (-0.31, 0.31):
        leg, hoof = _leg(rng, (x, 0.08))
        near.extend(leg)
        hooves.append(hoof)
        leg, hoof = _leg(rng, (x + 0.05, 0.05))
        far.extend((*leg, hoof))
    lift = rng.uniform(np.radians(100), np.radians(150))  # of the neck
    poll = _point(NECK_BASE, NECK_LENGTH, lift)
    nod = lift - rng.uniform(np.radians(75), np.radians(100))  # of the head
    muzzle = _point(poll, 0.23, nod)
    eye = _point(poll, 0.06, nod + 0.5)
    length = rng.uniform(0.48, 0.59)
    side = 1 if rng.random() < 0.5 else -1
    offset = (
        (max(muzzle[0], poll[0]) + 0.05 - 0.64) / 2 * length
    )  # of the centre from head to tail from that of the body
    return Animal(
        near_legs=tuple(near),
        far_legs=tuple(far),
        hooves=tuple(hooves),
        neck=Limb(NECK_BASE, poll, (0.17, 0.085)),
        head=Limb(poll, muzzle, (0.088, 0.055)),
        ears=tuple(
            Limb(_point(poll, 0.05, lift), _point(poll, 0.15, lift + apart), (0.035, 0.012)) for apart in (-0.25, 0.25)
        ),
        eye=Limb(eye, _point(eye, 0.004, nod), (0.02, 0.02)),
        hair=_hair(rng, lift),
        length=length,
        centre=(0.5 - side * offset + rng.uniform(-0.03, 0.03), rng.uniform(0.49, 0.58)),
        rotation=rng.uniform(-0.10, 0.10),
        side=side,
    )


def _union(distances: list[Plane], roundness: float) -> Plane:
    """Return the smooth union of signed distances: shapes closer than ``roundness`` merge smoothly."""
    total = distances[0]
    for distance in distances[1:]:
        near = np.maximum(np.float32(roundness) - cv2.absdiff(total, distance), 0)
        total = cv2.min(total, distance) - near * near * np.float32(0.25 / roundness)
    return total


def stripe_pattern(along: Plane, period: float) -> Plane:
    """Return stripes with soft edges, 1 white and 0 black: black at ``along`` = 0 and symmetric about it."""
    steep = 2.2
    wave = np.tanh(np.float32(steep) * np.cos(along * np.float32(2 * np.pi / period)))
    return np.float32(0.5) - wave * np.float32(0.5 / np.tanh(steep))


def _blend_stripes(parts: list[tuple[Plane, Plane]]) -> Plane:
    """Blend the stripes of several parts (distance, stripes): at each point those of the part that is deepest there."""
    white = np.float32(0)
    weights = np.float32(0)
    for distance, stripes in parts:
        weight = np.exp(np.clip(distance, -0.3, 0.3) * np.float32(-40))
        white = white + weight * stripes
        weights = weights + weight
    return np.asarray(white / weights)


class Scene:
    """One animal in its landscape, without sensor noise."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        animal = sample_pose(rng)
        self.background = draw_landscape(rng, size, horizon=rng.uniform(0.34, 0.52))
        self.size = size
        self.length = animal.length
        self.sun = np.float32(rng.uniform(-0.5, 0.5))  # horizontal position, from left to right
        self.coat = vary_colour(rng, BAY + (TAN - BAY) * np.float32(rng.uniform(0, 1)), 8)
        self.grain = smooth_noise(rng, size, [(size // 2, size // 4), (size, size // 2)]) * np.float32(4)

        x, y = animal.coordinates(size)
        shadow = (x / np.float32(0.62)) ** 2 + ((y - np.float32(0.66)) / np.float32(0.12)) ** 2
        blend(self.background, rgb_colour(40, 44, 30), np.float32(0.55) * np.exp(-shadow))

        body = _union([BODY.distance(x, y), CROUP.distance(x, y)], 0.05)
        neck, along_neck = animal.neck.distance_and_position(x, y)
        head, along_head = animal.head.distance_and_position(x, y)
        legs = _union([limb.distance(x, y) for limb in animal.near_legs], 0.04)
        hooves = _union([limb.distance(x, y) for limb in animal.hooves], 0.02)
        front = _union([body, neck, head, legs, *(ear.distance(x, y) for ear in animal.ears)], 0.07)
        hair = _union([limb.distance(x, y) for limb in animal.hair], 0.05)
        hair = np.minimum(np.minimum(hair, hooves), animal.eye.distance(x, y))
        far = _union([limb.distance(x, y) for limb in animal.far_legs], 0.04)

        # The phase of the stripes continues along neck and head from the base of the neck.
        self.leg_stripes = stripe_pattern(y - np.float32(LEG_STRIPE_START), LEG_PERIOD)
        self.stripes = _blend_stripes(
            [
                (body, stripe_pattern(x, PERIOD)),
                (neck, stripe_pattern(along_neck + np.float32(NECK_BASE[0]), PERIOD)),
                (head, stripe_pattern(along_head + np.float32(NECK_BASE[0] + NECK_LENGTH), PERIOD)),
                (legs, self.leg_stripes),
            ]
        )
        self.far, self.front, self.hair = (
            coverage(distance * np.float32(self.length), size) for distance in (far, front, hair)
        )
        self.far_shade = self._shade(far) * np.float32(0.72)
        self.shade = self._shade(np.minimum(front, hair))

    def _shade(self, distance: Plane) -> Plane:
        """Return the brightness of the surface, about 0.4 to 1.1: rounded towards its edges, lit from above."""
        depth = np.clip(distance * np.float32(-5), 0, 1)
        height = cv2.GaussianBlur(np.sqrt(depth * (2 - depth)), (0, 0), max(0.3, 0.012 * self.size))
        scale = (
            0.2 * self.length * self.size / 8
        )  # height of the rounding in pixels; 8 is the weight of the Sobel filter
        slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=scale)
        slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=scale)
        facing = slope_y * np.float32(0.8) - slope_x * self.sun + np.float32(0.55)
        return np.float32(0.62) + np.float32(0.5) * facing / np.sqrt(1 + slope_x**2 + slope_y**2)

    def mask(self) -> ImageArray:
        """Return (H, W): 255 on the animal, else 0."""
        covered = np.maximum(np.maximum(self.hair, self.far), self.front)
        return ((covered > 0.5) * 255).astype(np.uint8)

    def render(self, domain: str) -> Colour:
        """Render the scene without noise, with the coat of a domain."""
        canvas = self.background.copy()
        blend(canvas, self._coat(domain, self.leg_stripes) * self.far_shade + self.grain, self.far)
        blend(canvas, self._coat(domain, self.stripes) * self.shade + self.grain, self.front)
        blend(canvas, HAIR * self.shade + self.grain, self.hair)
        return canvas

    def _coat(self, domain: str, white: Plane) -> Colour:
        if domain == "A":
            return self.coat + (white - np.float32(0.5)) * np.float32(2 * PLAIN_STRIPE_CONTRAST)
        return BLACK + (WHITE - BLACK) * white


def draw(seed: np.random.SeedSequence, split: str, domain: str, size: int) -> dict[str, ImageArray]:
    """Draw one image, and for a test image its hidden target and its mask. Returns the images by their folder."""
    scene_rng, noise_rng, target_noise_rng = (np.random.default_rng(child) for child in seed.spawn(3))
    scene = Scene(scene_rng, size)
    images = {f"{split}{domain}": add_sensor_noise(noise_rng, scene.render(domain), SENSOR_NOISE)}
    if split == "test":
        target_domain = "B" if domain == "A" else "A"
        images[f"truth/{domain}to{target_domain}"] = add_sensor_noise(
            target_noise_rng, scene.render(target_domain), SENSOR_NOISE
        )
        images[f"mask/{domain}"] = scene.mask()
    return images
