import random

import pytest

from i2i.demo.server import Server
from tests.faults.demo_crowd import Crowd

pytestmark = pytest.mark.usefixtures("use_served_checkpoints")


def test_sixty_good_and_bad_requests_at_once_are_answered_and_leave_nothing(server: Server) -> None:
    assert Crowd(server).attack(random.Random(1)) is None
