import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2i.config import Config, flags, from_json, merge, option, require, to_json
from i2i.errors import ConfigError
from i2i.losses.adversarial import AdversarialConfig
from i2i.methods.cyclegan import CycleGANConfig
from i2i.methods.pix2pix import Pix2PixConfig
from i2i.networks import IdentityConfig, PatchGANConfig, ResnetConfig, UnetConfig
from i2i.recipes import RECIPES, SECTIONS, recipe_from_json
from i2i.training.trainer import TrainingConfig

REPEATABLE = settings(deadline=None, derandomize=True)
ROWS = [row for rows in RECIPES.values() for row in rows.values()]
NAMES = [f"{row.objective}-{row.name}" for row in ROWS]

share = st.floats(0, 1, exclude_max=True)
weight = st.floats(0, 1e6)
resnets = st.builds(
    ResnetConfig,
    ngf=st.integers(1, 1024),
    blocks=st.integers(0, 64),
    upsampling=st.sampled_from(["transposed", "resize"]),
    norm=st.sampled_from(["instance", "batch", "none"]),
    dropout=share,
    spectral_norm=st.booleans(),
)
unets = st.builds(UnetConfig, ngf=st.integers(1, 1024), dropout=share, inference=st.sampled_from(["train", "eval"]))
critics = st.builds(
    PatchGANConfig, ndf=st.integers(1, 1024), receptive_field=st.sampled_from([1, 16, 34, 70, 142, 286])
)
adversarials = st.builds(
    AdversarialConfig, loss=st.sampled_from(["minimax", "lsgan", "wgan-gp"]), r1=weight, critic_steps=st.integers(1, 9)
)
cyclegans = st.builds(
    CycleGANConfig,
    generator=st.one_of(resnets, unets, st.builds(IdentityConfig)),
    discriminator=critics,
    adversarial=adversarials,
    weight_cycle=weight,
    weight_identity=weight,
    pool=st.integers(0, 10_000),
)
courses = st.builds(
    TrainingConfig,
    steps=st.none() | st.integers(1, 10**9),
    betas=st.tuples(share, share),
    workers=st.none() | st.integers(0, 256),
    seed=st.integers(0, 2**63 - 1),
)


@REPEATABLE
@given(config=st.one_of(cyclegans, courses))
def test_a_config_comes_back_from_json_as_it_was(config: Any) -> None:
    assert from_json(type(config), json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_a_recipe_comes_back_from_json_as_it_was(row: Any) -> None:
    assert recipe_from_json(json.loads(json.dumps(row.to_json(), allow_nan=False))) == row


def test_what_json_leaves_out_takes_its_default() -> None:
    assert from_json(CycleGANConfig, {"generator": {"network": "unet"}}) == CycleGANConfig(generator=UnetConfig())


def test_an_unknown_field_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"IdentityConfig has no field 'depth'; it has network\."):
        from_json(IdentityConfig, {"depth": 3})


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (ResnetConfig, {"ngf": "64"}, "ResnetConfig.ngf is '64'; it must be int."),
        (ResnetConfig, {"ngf": True}, "ResnetConfig.ngf is True; it must be int."),
        (ResnetConfig, {"ngf": None}, "ResnetConfig.ngf is None; it must be int."),
        (ResnetConfig, {"norm": "layer"}, "ResnetConfig.norm is 'layer'; it must be one of instance, batch, none."),
        (TrainingConfig, {"steps": 1.5}, "TrainingConfig.steps is 1.5; it must be int or nothing."),
        (TrainingConfig, {"betas": [0.5]}, "TrainingConfig.betas is [0.5]; it must be"),
        (CycleGANConfig, {"adversarial": 3}, "CycleGANConfig.adversarial is 3; it must be a table of fields."),
        (CycleGANConfig, {"adversarial": {"r1": "a"}}, "CycleGANConfig.adversarial.r1 is 'a'; it must be float."),
        (CycleGANConfig, {"generator": {"network": "vit"}}, "CycleGANConfig.generator is 'vit'; it must be one of "),
        (CycleGANConfig, [1], "CycleGANConfig is [1]; it must be a table of fields."),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_field_value_and_what_is_allowed(
    cls: type, data: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_json(cls, data)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400], ids=["nan", "infinity", "beyond float"])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ConfigError, match="weight_cycle is"):
        from_json(CycleGANConfig, {"weight_cycle": number})


def test_a_whole_number_will_do_for_a_float() -> None:
    found = from_json(CycleGANConfig, {"weight_cycle": 5}).weight_cycle
    assert (found, type(found)) == (5.0, float)


@pytest.mark.parametrize(
    ("cls", "field", "value", "allowed"),
    [
        (ResnetConfig, "ngf", 0, "from 1 to 1024"),
        (ResnetConfig, "blocks", 65, "from 0 to 64"),
        (ResnetConfig, "dropout", 1.0, "at least 0 and below 1"),
        (UnetConfig, "ngf", 1025, "from 1 to 1024"),
        (UnetConfig, "dropout", -0.1, "at least 0 and below 1"),
        (PatchGANConfig, "receptive_field", 71, "one of 1, 16, 34, 70, 142, 286"),
        (CycleGANConfig, "weight_cycle", -1.0, "0 or above"),
        (CycleGANConfig, "weight_identity", float("nan"), "0 or above"),
        (CycleGANConfig, "pool", -1, "from 0 to 10000"),
        (Pix2PixConfig, "weight_l1", -1.0, "0 or above"),
        (TrainingConfig, "betas", (0.5, 1.0), "at least 0 and below 1"),
        (TrainingConfig, "lr", 0.0, "above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_field_value_and_what_is_allowed(
    cls: type, field: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        cls(**{field: value})
    assert str(refusal.value) == f"{field} is {value!r}; it must be {allowed}."


def test_check_says_nothing_where_the_condition_holds() -> None:
    require(True, "n", 1, "1")


@pytest.mark.parametrize("cls", [ResnetConfig, UnetConfig, IdentityConfig])
def test_a_union_is_told_apart_by_its_network(cls: type) -> None:
    config = CycleGANConfig(generator=cls())
    assert type(from_json(CycleGANConfig, to_json(config)).generator) is cls


def test_merge_changes_what_it_names_and_leaves_the_rest() -> None:
    before = CycleGANConfig(generator=ResnetConfig(ngf=8), pool=7)
    after = merge(before, {"generator": {"blocks": 3}, "adversarial": {"loss": "hinge"}, "weight_cycle": 2})
    assert after == CycleGANConfig(
        generator=ResnetConfig(ngf=8, blocks=3), adversarial=AdversarialConfig(loss="hinge"), weight_cycle=2.0, pool=7
    )
    assert before == CycleGANConfig(generator=ResnetConfig(ngf=8), pool=7)


def test_merge_with_nothing_changes_nothing() -> None:
    assert merge(CycleGANConfig(pool=7), {}) == CycleGANConfig(pool=7)


def test_merging_another_network_starts_from_its_defaults() -> None:
    before = CycleGANConfig(generator=ResnetConfig(ngf=8))
    assert merge(before, {"generator": {"network": "unet", "norm": "instance"}}).generator == UnetConfig(
        norm="instance"
    )
    assert merge(before, {"generator": {"network": "resnet", "blocks": 1}}).generator == ResnetConfig(ngf=8, blocks=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_cyle": 1.0}, "CycleGANConfig has no option 'weight_cyle'; it has generator, discriminator"),
        ({"generator": {"network": "identity", "blocks": 3}}, "identity has no option 'blocks'; it has network"),
        ({"generator": {"network": "vit"}}, "generator is 'vit'; it must be one of resnet, unet, identity"),
        ({"pool": "many"}, "pool is 'many'; it must be int"),
        ({"pool": -1}, "pool is -1; it must be from 0 to 10000"),
    ],
)
def test_a_change_that_cannot_be_merged_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        merge(CycleGANConfig(), changes)


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_flags_of_a_recipe_have_unique_names(row: Any) -> None:
    names = [flag.name for section in SECTIONS for flag in flags(getattr(row, section))]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
    assert not {"recipe", "name", "resume"} & set(names)


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig()])
def test_networks_and_the_adversarial_loss_have_their_flags(config: Any) -> None:
    found = {flag.name: flag for flag in flags(config)}
    assert found["adversarial"].path == ("adversarial", "loss")
    assert found["generator"].path == ("generator", "network")
    assert found["generator"].default == config.generator.network
    assert found["norm"].path == ("generator", "norm")
    assert found["d-norm"].path == ("discriminator", "norm")  # as the messages that recommend it spell it
    assert found["d-receptive-field"].path == ("discriminator", "receptive_field")


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig()])
def test_each_flag_changes_the_field_its_path_leads_to(config: Any) -> None:
    for flag in flags(config):
        present = config
        for name in flag.path:
            present = getattr(present, name, None)
        if present is None:  # an option of another network than the present one
            continue
        changes: Any = flag.default
        for name in reversed(flag.path):
            changes = {name: changes}
        assert present == flag.default
        assert merge(config, changes) == config


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig(), TrainingConfig()])
def test_every_flag_has_a_help(config: Any) -> None:
    assert all(flag.help.strip() for flag in flags(config))


def test_the_flag_of_another_network_says_so() -> None:
    found = {flag.name: flag.help for flag in flags(Pix2PixConfig())}
    assert found["blocks"].endswith("(resnet only)")
    assert not found["dropout"].endswith("only)")


def test_an_option_of_one_class_is_a_flag_with_its_help() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Inner:
        many_words: int = option(3, "how many words")

    @dataclass(frozen=True, kw_only=True)
    class Outer:
        inner: Inner = option(Inner(), "the inner", prefix="in")
        kind: Literal["a", "b"] = option("a", "the kind", flag="sort")

    def spelled(config: Any) -> list[tuple[str, tuple[str, ...], Any, str]]:
        return [(flag.name, flag.path, flag.default, flag.help) for flag in flags(config)]

    Outer.__annotations__["inner"] = Inner
    assert spelled(Outer()) == [
        ("in-many-words", ("inner", "many_words"), 3, "how many words"),
        ("sort", ("kind",), "a", "the kind"),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounded(Config):
    count: int = option(1, "how many", ge=1, le=4)
    share: float = option(0.5, "a share", ge=0, lt=1)
    weight: float | None = option(None, "a weight", gt=0)
    span: tuple[float, float] = option((0.0, 1.0), "a span", ge=0, le=50, rising=True)
    scale: int = option(2, "a factor", choices=(2, 3, 4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count is 0; it must be from 1 to 4."),
        ({"share": 1.0}, "share is 1.0; it must be at least 0 and below 1."),
        ({"weight": 0.0}, "weight is 0.0; it must be above 0."),
        ({"weight": float("nan")}, "weight is nan; it must be above 0."),
        ({"span": (2.0, 1.0)}, "span is (2.0, 1.0); it must be two numbers, rising, from 0 to 50."),
        ({"span": (0.0, 51.0)}, "span is (0.0, 51.0); it must be two numbers, rising, from 0 to 50."),
        ({"scale": 5}, "scale is 5; it must be one of 2, 3, 4."),
    ],
)
def test_a_value_out_of_its_bounds_is_refused_in_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Bounded(**values)
    assert str(error.value) == message


def test_values_on_the_bounds_are_allowed() -> None:
    config = Bounded(count=4, share=0.0, weight=1e-9, span=(50.0, 50.0), scale=4)
    assert from_json(Bounded, to_json(config)) == config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renamed(Config):
    max_hours: float | None = option(None, "hours", was="hours")


def test_a_field_is_read_under_its_earlier_name() -> None:
    assert from_json(Renamed, {"hours": 2.0}) == Renamed(max_hours=2.0)
    assert from_json(Renamed, {"max_hours": 2.0}) == Renamed(max_hours=2.0)
    assert to_json(Renamed(max_hours=2.0)) == {"max_hours": 2.0}
    assert merge(Renamed(), {"hours": 2.0}) == Renamed(max_hours=2.0)
    with pytest.raises(ConfigError, match="no field 'hours'"):
        from_json(Renamed, {"hours": 1.0, "max_hours": 2.0})
