"""Catalogue of the classic datasets: where each is, and what it holds."""

from dataclasses import dataclass
from typing import Literal

_CYCLEGAN = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"
_PIX2PIX = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One dataset.

    Attributes:
        name: name in the catalogue.
        kind: "unpaired" or "paired".
        url: address of the archive.
        bytes: size of the archive, or None if unknown.
        sha256: checksum of the archive, or None if unknown.
        folder: top folder in the archive.
        summary: content, in words.
        note: origin and terms of use.
    """

    name: str
    kind: Literal["unpaired", "paired"]
    url: str
    bytes: int | None = None
    sha256: str | None = None
    folder: str
    summary: str
    note: str

    @property
    def archive(self) -> str:
        """File name of the downloaded archive."""
        return self.name + (".tar.gz" if self.url.endswith(".tar.gz") else ".zip")


_IMAGENET = "Images from ImageNet: non-commercial research."
_FLICKR = "Images from Flickr: research; the rights stay with the photographers."
_WIKIART = "Paintings from WikiArt, photos from Flickr: research; the rights stay with their owners."
_FACADES = "CMP Facade Database (Tyleček and Šára 2013): research; cite it."
_CITYSCAPES = "Cityscapes (Cordts et al. 2016): its terms at www.cityscapes-dataset.com/license hold."
_MAPS = "Images from Google Maps: research; the rights stay with their owners."


def _unpaired(
    archive: str, size: int, sha256: str, summary: str, note: str, *, name: str | None = None
) -> CatalogueEntry:
    return CatalogueEntry(
        name=name or archive,
        kind="unpaired",
        url=f"{_CYCLEGAN}/{archive}.zip",
        bytes=size,
        sha256=sha256,
        folder=archive,
        summary=summary,
        note=note,
    )


def _paired(name: str, summary: str, note: str) -> CatalogueEntry:
    url = f"{_PIX2PIX}/{name}.tar.gz"
    return CatalogueEntry(name=name, kind="paired", url=url, folder=name, summary=summary, note=note)


# Sizes and checksums are those of the served archives. For the paired datasets they are unknown; the sizes in the
# summaries are from the README of pix2pix-tensorflow.
_ENTRIES = (
    _unpaired(
        "apple2orange",
        78_456_409,
        "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
        "apples and navel oranges",
        _IMAGENET,
    ),
    _unpaired(
        "cezanne2photo",
        279_885_071,
        "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
        "paintings by Cézanne and photos of landscapes",
        _WIKIART,
    ),
    _unpaired(
        "horse2zebra",
        116_867_962,
        "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
        "wild horses and zebras; train 1067 and 1334, test 120 and 140",
        _IMAGENET,
    ),
    _unpaired(
        "iphone2dslr_flower",
        339_964_458,
        "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
        "flowers by phone cameras and by cameras with a shallow depth of field",
        _FLICKR,
    ),
    _unpaired(
        "monet2photo",
        305_231_073,
        "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
        "paintings by Monet and photos of landscapes",
        _WIKIART,
    ),
    _unpaired(
        "summer2winter_yosemite",
        132_640_856,
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
        "Yosemite in summer and in winter",
        _FLICKR,
    ),
    _unpaired(
        "ukiyoe2photo",
        292_946_532,
        "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
        "Japanese woodblock prints and photos of landscapes",
        _WIKIART,
    ),
    _unpaired(
        "vangogh2photo",
        306_590_349,
        "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
        "paintings by van Gogh and photos of landscapes",
        _WIKIART,
    ),
    _unpaired(
        "cityscapes",
        279_601_602,
        "d2f6910fd056c1ee9873777ae838e7ac4a2c833598ae62a04188e5ab2f4ea036",
        "street scenes and their label maps, as two separate domains",
        _CITYSCAPES,
        name="cityscapes-unpaired",
    ),
    _unpaired(
        "facades",
        35_135_868,
        "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
        "house fronts and their label maps, as two separate domains",
        _FACADES,
        name="facades-unpaired",
    ),
    _unpaired(
        "maps",
        1_476_754_427,
        "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
        "aerial photos and maps, as two separate domains",
        _MAPS,
        name="maps-unpaired",
    ),
    _paired(
        "facades",
        "house front (left) and its label map (right); train 400, val 100, test 106; about 31 MB",
        _FACADES,
    ),
    _paired("maps", "aerial photo (left) and map (right); train 1096; about 250 MB", _MAPS),
    _paired("cityscapes", "street scene and its label map; train 2975; about 110 MB", _CITYSCAPES),
    _paired(
        "edges2shoes",
        "edges and photo of a shoe; train about 50 thousand; about 2.2 GB",
        "UT Zappos50K (Yu and Grauman 2014): academic, non-commercial use; cite it.",
    ),
    _paired(
        "edges2handbags",
        "edges and photo of a handbag; train about 137 thousand; about 8.6 GB",
        "Images from Amazon by way of iGAN (Zhu et al. 2016): research; the rights stay with their owners.",
    ),
    _paired(
        "night2day",
        "the same outdoor views by night and by day; train 17823, from 91 webcams",
        "Transient Attributes (Laffont et al. 2014): research; cite it.",
    ),
)

CATALOGUE: dict[str, CatalogueEntry] = {entry.name: entry for entry in _ENTRIES}
