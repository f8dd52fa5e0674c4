"""Options of the CycleGAN/pix2pix and CUT reference implementations, and what they are in i2i.

A command line that holds one is answered by name. ``i2i docs migration`` has the same table.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from i2i.errors import ArgumentTypeError, UsageError

RECEPTIVE_FIELDS = {"1": 16, "2": 34, "3": 70, "4": 142, "5": 286}  # pixels, by layers of the discriminator


@dataclass(frozen=True)
class ReferenceOption:
    """An option of the reference.

    Attributes:
        names: its spellings; the first is the current one, the others are those of earlier versions.
        i2i: the flag, variable or command of i2i; "" if i2i has none.
        note: what else there is to know.
        values: values of the option → what they are in i2i.
    """

    names: tuple[str, ...]
    i2i: str
    note: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def answer(self, name: str, value: str = "") -> str:
        """Return the answer to the option, spelled as ``name`` and given with ``value``."""
        if value in self.values:
            return f"`{name} {value}` of the reference is `{self.values[value]}` in i2i."
        note = f" {self.note}" if self.note else ""
        if not self.i2i:
            return f"`{name}` of the reference has no equivalent in i2i.{note}"
        return f"`{name}` of the reference is `{self.i2i}` in i2i.{note}"


def _option(names: str, i2i: str, note: str = "", **values: str) -> ReferenceOption:
    return ReferenceOption(tuple(f"--{name}" for name in names.split()), i2i, note, values)


_LOGS = "Losses and samples are in the run's folder: `tensorboard --logdir checkpoints`. See also `--track`."
_STATE = "A resume continues from the last saved state."
_TABLE = "`i2i docs migration` has the whole table."

REFERENCE_OPTIONS = (
    _option("dataroot", "--data"),
    _option(
        "model", "i2i train", "Its next word is the method.", cycle_gan="i2i train cyclegan",
        pix2pix="i2i train pix2pix", colorization="i2i train regression --task colorize", test="i2i convert",
    ),
    _option("dataset_mode", "", "The method and the layout of the folder decide: `i2i data check FOLDER`."),
    _option(
        "direction", "--direction", "`cyclegan` learns both directions; `i2i convert --direction BtoA` selects one."
    ),
    _option("which_direction", "--direction"),
    _option("name", "--name"),
    _option("phase", "", "Training reads `train`, and samples and validation read `test` or `val`. `i2i evaluate "
                         "--split SPLIT` selects one."),
    _option("n_epochs niter", "--epochs", "`--epochs` is the sum of n_epochs and n_epochs_decay."),
    _option("n_epochs_decay niter_decay", "--decay-fraction",
            "It is the part of `--epochs` with a falling rate: 0.5 for 100 + 100 epochs."),
    _option("epoch_count", "--resume", _STATE),
    _option("continue_train", "--resume", _STATE),
    _option("epoch which_epoch", "NAME/snapshots/STEP",
            "`--snapshot-every` keeps earlier model files. NAME is the latest model, NAME/best the best one of "
            "`--best-metric`."),
    _option("load_iter", "NAME/snapshots/STEP"),
    _option("load_size loadSize", "--resize-scale", "It is load_size / crop_size: 1.117 for 286 and 256."),
    _option("crop_size fineSize", "--size"),
    _option(
        "preprocess resize_or_crop", "--resize", "`cover` keeps the aspect ratio; all crop to `--size`.",
        resize_and_crop="--resize stretch", crop="--resize native", scale_width="--resize cover",
        scale_width_and_crop="--resize cover", none="--resize native",
    ),
    _option("no_flip", "--no-flip"),
    _option("batch_size batchSize", "--batch-size"),
    _option("num_threads nThreads", "--workers"),
    _option("serial_batches", "", "The order of the images depends on `--seed` alone."),
    _option("max_dataset_size", "", "Train on a folder with fewer images."),
    _option("input_nc", "--in-channels", "Without it, the files decide."),
    _option("output_nc", "--out-channels", "Without it, the files decide."),
    _option("ngf", "--ngf"),
    _option("ndf", "--d-ndf"),
    _option(
        "netG which_model_netG", "--generator", resnet_9blocks="--generator resnet --blocks 9",
        resnet_6blocks="--generator resnet --blocks 6", unet_256="--generator unet", unet_128="--generator unet",
    ),
    _option(
        "netD which_model_netD", "--d-receptive-field", basic="--d-receptive-field 70", pixel="--d-receptive-field 1",
        n_layers="--d-receptive-field",
    ),
    _option("n_layers_D", "--d-receptive-field", "1 to 5 layers have a receptive field of 16, 34, 70, 142 and 286 px.",
            **{layers: f"--d-receptive-field {side}" for layers, side in RECEPTIVE_FIELDS.items()}),
    _option("norm", "--norm", "The discriminator has its own: `--d-norm`."),
    _option("init_type", "--weight-init", "The discriminator has its own: `--d-weight-init`."),
    _option("init_gain", ""),
    _option("no_dropout", "--dropout 0"),
    _option("gan_mode", "--adversarial", vanilla="--adversarial non-saturating", lsgan="--adversarial lsgan",
            wgangp="--adversarial wgan-gp"),
    _option("no_lsgan", "--adversarial non-saturating"),
    _option("lambda_A", "--weight-cycle"),
    _option("lambda_B", "--weight-cycle", "Both directions have the same weight."),
    _option("lambda_identity identity", "--weight-identity"),
    _option("lambda_L1", "--weight-l1"),
    _option("pool_size", "--pool-size"),
    _option("lr", "--lr"),
    _option("beta1", "--betas", "It takes β₁ and β₂: `--betas 0.5 0.999`."),
    _option("beta2", "--betas"),
    _option("lr_policy", "--schedule", linear="--schedule linear", cosine="--schedule cosine"),
    _option("lr_decay_iters", ""),
    _option("gpu_ids", "--device", "Such as `--device cuda:0`. For several GPUs, see `i2i docs distributed`.",
            **{"-1": "--device cpu"}),
    _option("checkpoints_dir", "$I2I_CHECKPOINTS"),
    _option("results_dir", "i2i convert --out"),
    _option("num_test how_many ntest", "i2i evaluate --max-images"),
    _option("aspect_ratio", "", "`i2i convert` keeps the size and the aspect ratio of each image."),
    _option("eval", "--inference-mode eval", "It is a setting of the training."),
    _option("suffix", "--name"),
    _option("model_suffix", "", "The model file holds the weights of all directions."),
    _option("print_freq", "--log-every", "In steps."),
    _option("display_freq", "--sample-every", "In steps."),
    _option("update_html_freq", "--sample-every", "In steps."),
    _option("save_epoch_freq", "--snapshot-every", "In steps."),
    _option("save_latest_freq", "--save-every-minutes"),
    _option("save_by_iter", "--snapshot-every"),
    _option("display_id display_port display_server display_env display_ncols display_single_pane_ncols", "", _LOGS),
    _option("display_winsize", ""),
    _option("use_wandb", "--track wandb"),
    _option("wandb_project_name", "$WANDB_PROJECT", "The variable belongs to `--track wandb`."),
    _option("no_html", "", _LOGS),
    _option("verbose", "i2i models info NAME"),
    _option("CUT_mode", "--recipe", CUT="i2i train cut", cut="i2i train cut", FastCUT="--recipe fastcut",
            fastcut="--recipe fastcut"),
    _option("lambda_GAN", "", "The adversarial loss has weight 1: scale the other weights."),
    _option("lambda_NCE", "--weight-nce"),
    _option("nce_idt", "--nce-identity", **{"False": "--no-nce-identity", "false": "--no-nce-identity"}),
    _option("nce_layers", "--nce-layers"),
    _option("nce_T", "--nce-temperature"),
    _option("num_patches", "--nce-num-patches"),
    _option("nce_includes_all_negatives_from_minibatch", "", "The negatives are other locations of the same image."),
    _option("netF", "--nce-dim", "The features pass an MLP of two layers, as `mlp_sample`."),
    _option("netF_nc", "--nce-dim"),
    _option("flip_equivariance", "--flip-equivariance"),
    _option("normG", "--norm"),
    _option("normD", "--d-norm"),
    _option("no_antialias", "--no-antialias", "The discriminator has its own: `--no-d-antialias`."),
    _option("no_antialias_up", "--upsampling transposed"),
    _option("evaluation_freq", "--eval-every", "In steps."),
    _option("pretrained_name", "--init-from"),
)  # fmt: skip

_BY_NAME = {name: option for option in REFERENCE_OPTIONS for name in option.names if name != option.i2i}
_BY_SPELLING = {  # as "--n-epochs" for "--n_epochs", and options of the same name in i2i
    name.replace("_", "-").lower(): (name, option) for option in REFERENCE_OPTIONS for name in option.names
}


def refuse_reference_options(args: Sequence[str]) -> None:
    """Raise UsageError with an answer to each option of the reference on a command line.

    Args:
        args: the words of the command line after "i2i".
    """
    end = list(args).index("--") if "--" in args else len(args)
    answers = []
    for index, arg in enumerate(args[:end]):
        name, equals, value = arg.partition("=")
        if name in _BY_NAME:
            following = args[index + 1] if index + 1 < end else ""
            answers.append(_BY_NAME[name].answer(name, value if equals else following))
    if answers:
        raise UsageError("\n".join([*answers, _TABLE]))


def refuse_unknown_option(name: str, command: str) -> None:
    """Raise UsageError with an answer if an option that a command does not have resembles one of the reference.

    Args:
        name: of the option, such as "--n-epochs".
        command: such as "i2i train cyclegan".
    """
    known, option = _BY_SPELLING.get(name.replace("_", "-").lower(), ("", None))
    if option is None:
        return
    if option.i2i != known:
        raise UsageError(f"{option.answer(known)}\n{_TABLE}")
    if option.note:  # an option of the same name in i2i, but of other commands
        raise UsageError(f"`{command}` has no option `{name}`. {option.note}\n{_TABLE}")


def refuse_reference_settings(function: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise ArgumentTypeError with an answer if a Python function gets an option of the reference as an argument.

    Args:
        function: name of the function.
        names: the given names, such as "n_epochs".
        known: the names that the function has.
    """
    for name in names:
        option_name, option = _BY_SPELLING.get("--" + name.replace("_", "-").lower(), ("", None))
        is_misspelled = bool(difflib.get_close_matches(name, known, cutoff=0.85))  # as "epoch" for "epochs"
        if option is not None and option.i2i != option_name and not is_misspelled:
            raise ArgumentTypeError(f"{function}() has no argument {name!r}. {option.answer(option_name)}")


def help_table() -> str:
    """Return the table for the help, as one paragraph without notes."""
    rows = [
        f"{option.names[0]} → {option.i2i}"
        for option in REFERENCE_OPTIONS
        if option.i2i and option.names[0] != option.i2i
    ]
    head = "[bold]Options of the CycleGAN/pix2pix reference[/bold], with notes in `i2i docs migration`:"
    return f"{head}\n\n{', '.join(rows)}"


def reference_table() -> list[tuple[str, str, str]]:
    """Return the rows of the table for readers: the spellings, what they are in i2i, and a note."""
    rows = []
    for option in REFERENCE_OPTIONS:
        notes = [f"`{value}`: `{i2i}`." for value, i2i in option.values.items()]
        if option.note:
            notes.append(option.note)
        rows.append((", ".join(option.names), option.i2i, " ".join(notes)))
    return rows
