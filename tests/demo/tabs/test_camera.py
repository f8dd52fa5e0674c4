"""What the tab "Camera" tells the script of the page."""

import re
from html import unescape

from i2i.demo.camera import CameraTranslator
from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.tabs.camera import settings_html


def test_the_script_gets_the_query_the_side_and_the_label_of_the_settings(registry: ModelRegistry) -> None:
    html = settings_html(CameraTranslator(registry, Limits()), "both", "BtoA", 0.5, 192)
    data = dict(re.findall(r'data-(\w+)="([^"]*)"', unescape(html)))
    assert data == {"query": "model=both&direction=BtoA&side=192", "side": "192", "label": "both: striped → plain"}


def test_a_server_without_models_says_so(registry: ModelRegistry) -> None:
    html = settings_html(CameraTranslator(registry, Limits()), None, None, None, 256)
    assert "no model for photos yet" in html
    assert "data-query" not in html
