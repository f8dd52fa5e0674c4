"""Upload a model to the Hugging Face Hub."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i._version import __version__
from i2i.checkpoints.hub.address import parse_address
from i2i.checkpoints.hub.client import TIMEOUT, hub_errors, import_hub, login_token
from i2i.checkpoints.hub.readme import hub_readme, is_unedited
from i2i.checkpoints.hub.selection import CARD_FILE, DEFAULT_FILE
from i2i.checkpoints.model_card import card_beside
from i2i.checkpoints.model_file import find_model_file, load_model_file, save_model_file, to_half
from i2i.checkpoints.model_header import is_foreign
from i2i.errors import I2IError, ModelFileError, UsageError

_MAX_CARD_BYTES = 1 << 20  # of a README.md that is read from the Hub
_OWN_FILES = (".gitattributes",)  # that the Hub makes in a new repository


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """How a model is uploaded.

    Args:
        private: visibility of a new repository; None for the default of the user or organisation.
        update: whether a repository that holds files may get a new version.
        replace_card: whether a ``README.md`` that somebody edited on the Hub is replaced.
        half: whether weights are uploaded in float16.
        message: of the commit; "" for a default one.
    """

    private: bool | None = None
    update: bool = False
    replace_card: bool = False
    half: bool = False
    message: str = ""


@dataclass(frozen=True)
class Pushed:
    """What was uploaded.

    Args:
        url: of the repository's page.
        private: whether it is private.
        files: paths of the uploaded files.
        keeps_card: whether an edited ``README.md`` was kept.
        commit: identifier of the new version.
    """

    url: str
    private: bool
    files: tuple[str, ...]
    keeps_card: bool
    commit: str


def push_model(model: str, repo: str, options: PushOptions) -> Pushed:
    """Upload a model file and its card as one commit to the branch main.

    Args:
        model: name of a run, or path of a model file of i2i.
        repo: "user/name". It is made if it does not exist.
        options: how.

    Raises:
        ModelFileError: the model file cannot be used, or is not of i2i.
        UsageError: nobody is logged in, the login may not write there, or files would be replaced without ``update``.
        DownloadError: the Hub cannot be reached.
    """
    address = parse_address(repo if repo.startswith("hf:") else f"hf://{repo}")
    if address.revision or address.file:
        raise UsageError(f"{repo}: name the repository alone, as USER/REPO. Models go to its branch main.")
    hub = import_hub("models push")
    token = login_token(hub)
    path = find_model_file(model)
    if path.suffix.lower() != ".safetensors" or is_foreign(path):
        raise ModelFileError(f"{model} is no model file of i2i. `i2i models import` makes one of it.")
    model_file = load_model_file(path)
    if options.half:
        model_file = to_half(model_file)
    api = hub.HfApi(endpoint=hub.constants.ENDPOINT, token=token, library_name="i2i", library_version=__version__)
    with tempfile.TemporaryDirectory(prefix="i2i-push-") as name, hub_errors(str(address), UsageError):
        folder = Path(name)
        save_model_file(folder / DEFAULT_FILE, model_file)
        card, images = card_beside(path)
        (folder / CARD_FILE).write_text(hub_readme(address.repo, model_file.info, card), encoding="utf-8")
        for image in images:
            shutil.copyfile(image, folder / image.name)
        return _commit(api, address.repo, folder, options)


def _commit(api: Any, repo: str, folder: Path, options: PushOptions) -> Pushed:
    """Upload the files of a folder. Raises UsageError for what the options do not allow."""
    from huggingface_hub import CommitOperationAdd

    found = _find_repository(api, repo)
    keeps_card = False
    if found is None:
        api.create_repo(repo, private=options.private)
        found = api.model_info(repo, timeout=TIMEOUT)
    else:
        _check_existing(repo, found, options)
        keeps_card = not options.replace_card and _is_edited(api, repo, found)
    images = sorted(path.name for path in folder.iterdir() if path.name not in (DEFAULT_FILE, CARD_FILE))
    names = [DEFAULT_FILE] if keeps_card else [DEFAULT_FILE, CARD_FILE, *images]
    message = options.message or f"Upload a model with i2i {__version__}"
    commit = api.create_commit(
        repo,
        [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names],
        commit_message=message,
        parent_commit=found.sha,  # so that a change by somebody else in the meantime is not replaced
    )
    return Pushed(f"{api.endpoint}/{repo}", bool(found.private), tuple(names), keeps_card, str(commit.oid))


def _find_repository(api: Any, repo: str) -> Any | None:
    """Return what the Hub knows about a repository, or None if there is none that this login may read."""
    from huggingface_hub import errors

    try:
        return api.model_info(repo, timeout=TIMEOUT)
    except errors.GatedRepoError:
        raise
    except errors.RepositoryNotFoundError:
        return None


def _check_existing(repo: str, found: Any, options: PushOptions) -> None:
    if options.private is not None and options.private != bool(found.private):
        now, wanted = ("private", "public") if found.private else ("public", "private")
        raise UsageError(
            f"{repo} exists and is {now}. Its visibility is changed in its settings on the Hub: omit --{wanted}. "
            "Nothing was uploaded."
        )
    files = sorted(sibling.rfilename for sibling in found.siblings or [] if sibling.rfilename not in _OWN_FILES)
    if files and not options.update:
        listed = ", ".join(files[:5]) + (" …" if len(files) > 5 else "")
        raise UsageError(
            f"{repo} exists and holds {listed}. Nothing was uploaded. --update uploads a new version; earlier ones "
            "stay in the history of the repository. Or name another repository."
        )


def _is_edited(api: Any, repo: str, found: Any) -> bool:
    """Return whether the repository has a ``README.md`` that i2i did not write as it is."""
    from huggingface_hub import constants

    sizes: Mapping[str, int | None] = {sibling.rfilename: sibling.size for sibling in found.siblings or []}
    if CARD_FILE not in sizes:
        return False
    if (sizes[CARD_FILE] or 0) > _MAX_CARD_BYTES:
        return True
    path = api.hf_hub_download(repo, CARD_FILE, revision=found.sha, cache_dir=constants.HF_HUB_CACHE)
    try:
        return not is_unedited(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, I2IError):
        return True
