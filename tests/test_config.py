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
ALL_RECIPES = [recipe for recipes in RECIPES.values() for recipe in recipes.values()]
NAMES = [f"{recipe.method}-{recipe.name}" for recipe in ALL_RECIPES]

fractions = st.floats(0, 1, exclude_max=True)
weights = st.floats(0, 1e6)
resnets = st.builds(
    ResnetConfig,
    ngf=st.integers(1, 1024),
    blocks=st.integers(0, 64),
    upsampling=st.sampled_from(["transposed", "resize"]),
    norm=st.sampled_from(["instance", "batch", "none"]),
    dropout=fractions,
    spectral_norm=st.booleans(),
)
unets = st.builds(
    UnetConfig, ngf=st.integers(1, 1024), dropout=fractions, inference_mode=st.sampled_from(["train", "eval"])
)
discriminators = st.builds(
    PatchGANConfig, ndf=st.integers(1, 1024), receptive_field=st.sampled_from([1, 16, 34, 70, 142, 286])
)
adversarials = st.builds(
    AdversarialConfig, loss=st.sampled_from(["minimax", "lsgan", "wgan-gp"]), r1=weights, d_steps=st.integers(1, 9)
)
cyclegans = st.builds(
    CycleGANConfig,
    generator=st.one_of(resnets, unets, st.builds(IdentityConfig)),
    discriminator=discriminators,
    adversarial=adversarials,
    weight_cycle=weights,
    weight_identity=weights,
    pool_size=st.integers(0, 10_000),
)
trainings = st.builds(
    TrainingConfig,
    steps=st.none() | st.integers(1, 10**9),
    betas=st.tuples(fractions, fractions),
    workers=st.none() | st.integers(0, 256),
    seed=st.integers(0, 2**63 - 1),
)


@REPEATABLE
@given(config=st.one_of(cyclegans, trainings))
def test_a_config_survives_the_round_trip_through_json(config: Any) -> None:
    assert from_json(type(config), json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize("recipe", ALL_RECIPES, ids=NAMES)
def test_a_recipe_survives_the_round_trip_through_json(recipe: Any) -> None:
    assert recipe_from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False))) == recipe


def test_a_field_that_is_missing_in_json_takes_its_default() -> None:
    assert from_json(CycleGANConfig, {"generator": {"network": "unet"}}) == CycleGANConfig(generator=UnetConfig())


def test_the_error_for_an_unknown_field_lists_the_known_fields() -> None:
    with pytest.raises(ConfigError, match=r"IdentityConfig has no field 'depth'; it has network\."):
        from_json(IdentityConfig, {"depth": 3})


@pytest.mark.parametrize(
    ("cls", "data", "message"),
    [
        (ResnetConfig, {"ngf": "64"}, "ResnetConfig.ngf is '64'; it must be a whole number."),
        (ResnetConfig, {"ngf": True}, "ResnetConfig.ngf is True; it must be a whole number."),
        (ResnetConfig, {"ngf": None}, "ResnetConfig.ngf is None; it must be a whole number."),
        (ResnetConfig, {"norm": "layer"}, "ResnetConfig.norm is 'layer'; it must be one of instance, batch, none."),
        (TrainingConfig, {"steps": 1.5}, "TrainingConfig.steps is 1.5; it must be a whole number or nothing."),
        (TrainingConfig, {"betas": [0.5]}, "TrainingConfig.betas is [0.5]; it must be 2 finite numbers."),
        (CycleGANConfig, {"adversarial": 3}, "CycleGANConfig.adversarial is 3; it must be a table of fields."),
        (CycleGANConfig, {"adversarial": {"r1": "a"}}, "CycleGANConfig.adversarial.r1 is 'a'; it must be a number."),
        (
            CycleGANConfig,
            {"generator": {"network": "vit"}},
            "CycleGANConfig.generator.network is 'vit'; it must be one of ",
        ),
        (CycleGANConfig, [1], "CycleGANConfig is [1]; it must be a table of fields."),
    ],
)
def test_the_error_for_a_wrong_type_names_field_value_and_expected_type(cls: type, data: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_json(cls, data)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400], ids=["nan", "infinity", "beyond float"])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ConfigError, match="weight_cycle is"):
        from_json(CycleGANConfig, {"weight_cycle": number})


def test_an_integer_is_converted_to_a_float() -> None:
    weight = from_json(CycleGANConfig, {"weight_cycle": 5}).weight_cycle
    assert (weight, type(weight)) == (5.0, float)


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
        (CycleGANConfig, "pool_size", -1, "from 0 to 10000"),
        (Pix2PixConfig, "weight_l1", -1.0, "0 or above"),
        (TrainingConfig, "betas", (0.5, 1.0), "at least 0 and below 1"),
        (TrainingConfig, "lr", 0.0, "above 0"),
    ],
)
def test_the_error_for_a_value_out_of_range_names_field_value_and_range(
    cls: type, field: str, value: Any, allowed: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        cls(**{field: value})
    assert str(refusal.value) == f"{field} is {value!r}; it must be {allowed}."


def test_require_accepts_a_condition_that_holds() -> None:
    require(True, "n", 1, "1")


@pytest.mark.parametrize("cls", [ResnetConfig, UnetConfig, IdentityConfig])
def test_the_network_field_selects_the_variant_of_a_union(cls: type) -> None:
    config = CycleGANConfig(generator=cls())
    assert type(from_json(CycleGANConfig, to_json(config)).generator) is cls


def test_merge_changes_the_given_fields_only() -> None:
    before = CycleGANConfig(generator=ResnetConfig(ngf=8), pool_size=7)
    after = merge(before, {"generator": {"blocks": 3}, "adversarial": {"loss": "hinge"}, "weight_cycle": 2})
    assert after == CycleGANConfig(
        generator=ResnetConfig(ngf=8, blocks=3),
        adversarial=AdversarialConfig(loss="hinge"),
        weight_cycle=2.0,
        pool_size=7,
    )
    assert before == CycleGANConfig(generator=ResnetConfig(ngf=8), pool_size=7)


def test_merge_with_nothing_changes_nothing() -> None:
    assert merge(CycleGANConfig(pool_size=7), {}) == CycleGANConfig(pool_size=7)


def test_merging_another_network_starts_from_its_defaults() -> None:
    before = CycleGANConfig(generator=ResnetConfig(ngf=8))
    assert merge(before, {"generator": {"network": "unet", "norm": "instance"}}).generator == UnetConfig(
        norm="instance"
    )
    assert merge(before, {"generator": {"network": "resnet", "blocks": 1}}).generator == ResnetConfig(ngf=8, blocks=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_cyle": 1.0}, "CycleGANConfig has no option weight_cyle; it has generator, discriminator"),
        ({"generator": {"network": "identity", "blocks": 3}}, "identity has no option generator.blocks; it has none"),
        ({"generator": {"network": "vit"}}, "generator.network is 'vit'; it must be one of resnet, unet, identity"),
        ({"pool_size": "many"}, "pool_size is 'many'; it must be a whole number"),
        ({"adversarial": {"loss": "gan"}}, "adversarial.loss is 'gan'; it must be one of minimax"),
        ({"pool_size": -1}, "pool_size is -1; it must be from 0 to 10000"),
    ],
)
def test_merge_refuses_unknown_fields_and_wrong_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        merge(CycleGANConfig(), changes)


@pytest.mark.parametrize("recipe", ALL_RECIPES, ids=NAMES)
def test_the_flags_of_a_recipe_have_unique_names(recipe: Any) -> None:
    names = [flag.name for section in SECTIONS for flag in flags(getattr(recipe, section))]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
    assert not {"recipe", "name", "resume"} & set(names)


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig()])
def test_networks_and_the_adversarial_loss_have_their_flags(config: Any) -> None:
    by_name = {flag.name: flag for flag in flags(config)}
    assert by_name["adversarial"].path == ("adversarial", "loss")
    assert by_name["generator"].path == ("generator", "network")
    assert by_name["generator"].default == config.generator.network
    assert by_name["norm"].path == ("generator", "norm")
    assert by_name["d-norm"].path == ("discriminator", "norm")  # error messages recommend it under this name
    assert by_name["d-receptive-field"].path == ("discriminator", "receptive_field")


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig()])
def test_each_flag_changes_the_field_at_its_path(config: Any) -> None:
    for flag in flags(config):
        current = config
        for name in flag.path:
            current = getattr(current, name, None)
        if current is None:  # an option of another network than the current one
            continue
        changes: Any = flag.default
        for name in reversed(flag.path):
            changes = {name: changes}
        assert current == flag.default
        assert merge(config, changes) == config


@pytest.mark.parametrize("config", [CycleGANConfig(), Pix2PixConfig(), TrainingConfig()])
def test_every_flag_has_a_help(config: Any) -> None:
    assert all(flag.help.strip() for flag in flags(config))


def test_the_help_of_a_flag_names_the_networks_that_have_it() -> None:
    help = {flag.name: flag.help for flag in flags(Pix2PixConfig())}
    assert help["blocks"].endswith("(resnet only)")
    assert not help["dropout"].endswith("only)")


def test_a_flag_lists_the_default_of_each_variant_that_has_it() -> None:
    variants = {flag.name: flag.variants for flag in flags(Pix2PixConfig())}
    assert variants["norm"] == {"unet": "batch", "resnet": "instance"}
    assert variants["weight-l1"] == {}


def test_a_nested_config_has_flags_with_its_prefix_and_help() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Inner:
        many_words: int = option(3, "how many words")

    @dataclass(frozen=True, kw_only=True)
    class Outer:
        inner: Inner = option(Inner(), "the inner", prefix="in")
        kind: Literal["a", "b"] = option("a", "the kind", flag="sort")

    def describe(config: Any) -> list[tuple[str, tuple[str, ...], Any, str]]:
        return [(flag.name, flag.path, flag.default, flag.help) for flag in flags(config)]

    Outer.__annotations__["inner"] = Inner
    assert describe(Outer()) == [
        ("in-many-words", ("inner", "many_words"), 3, "how many words"),
        ("sort", ("kind",), "a", "the kind"),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounded(Config):
    count: int = option(1, "how many", ge=1, le=4)
    fraction: float = option(0.5, "a fraction", ge=0, lt=1)
    weight: float | None = option(None, "a weight", gt=0)
    span: tuple[float, float] = option((0.0, 1.0), "a span", ge=0, le=50, rising=True)
    scale: int = option(2, "a factor", choices=(2, 3, 4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count is 0; it must be from 1 to 4."),
        ({"fraction": 1.0}, "fraction is 1.0; it must be at least 0 and below 1."),
        ({"weight": 0.0}, "weight is 0.0; it must be above 0."),
        ({"weight": float("nan")}, "weight is nan; it must be above 0."),
        ({"span": (2.0, 1.0)}, "span is (2.0, 1.0); it must be two numbers, rising, from 0 to 50."),
        ({"span": (0.0, 51.0)}, "span is (0.0, 51.0); it must be two numbers, rising, from 0 to 50."),
        ({"scale": 5}, "scale is 5; it must be one of 2, 3, 4."),
    ],
)
def test_the_error_for_a_value_out_of_its_bounds_states_the_bounds(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Bounded(**values)
    assert str(error.value) == message


def test_values_on_the_bounds_are_allowed() -> None:
    config = Bounded(count=4, fraction=0.0, weight=1e-9, span=(50.0, 50.0), scale=4)
    assert from_json(Bounded, to_json(config)) == config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renamed(Config):
    max_hours: float | None = option(None, "hours", was="hours")


def test_an_earlier_field_name_is_accepted() -> None:
    assert from_json(Renamed, {"hours": 2.0}) == Renamed(max_hours=2.0)
    assert from_json(Renamed, {"max_hours": 2.0}) == Renamed(max_hours=2.0)
    assert to_json(Renamed(max_hours=2.0)) == {"max_hours": 2.0}
    assert merge(Renamed(), {"hours": 2.0}) == Renamed(max_hours=2.0)
    with pytest.raises(ConfigError, match="no field 'hours'"):
        from_json(Renamed, {"hours": 1.0, "max_hours": 2.0})


def test_a_whole_number_in_a_float_field_equals_the_one_read_from_json() -> None:
    config = TrainingConfig(epochs=400, max_hours=2)
    assert json.dumps(to_json(config)) == json.dumps(to_json(from_json(TrainingConfig, to_json(config))))
    assert '"epochs": 400.0, "max_hours": 2.0' in json.dumps(to_json(config))
