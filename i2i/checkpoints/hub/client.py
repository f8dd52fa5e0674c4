"""The package ``huggingface_hub``: whether it is installed, and its errors in sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from i2i.errors import DownloadError, I2IError, UsageError, install_command

TIMEOUT = 10.0  # seconds without an answer of the Hub
_LOGIN = "Log in with `hf auth login`, or set the variable HF_TOKEN"


def import_hub(purpose: str) -> ModuleType:
    """Return the package ``huggingface_hub``.

    Args:
        purpose: what needs it, such as the address of a model.

    Raises: UsageError if it is not installed.
    """
    try:
        import huggingface_hub.constants
    except ImportError as error:
        raise UsageError(f"{purpose} needs the package huggingface_hub: {install_command('hub')}.") from error
    return huggingface_hub


def login_token(hub: ModuleType) -> str:
    """Return the token of the user's login. Raises UsageError if there is none."""
    token = hub.get_token()
    if not token:
        raise UsageError(f"You are not logged in to {hub.constants.ENDPOINT}. {_LOGIN} to a token that may write.")
    return str(token)


@contextmanager
def hub_errors(subject: str, refused: type[I2IError]) -> Iterator[None]:
    """Turn the errors of ``huggingface_hub`` into an I2IError.

    Args:
        subject: address of the model, for messages.
        refused: class of the error if the Hub has no such model, or the user may not use it.

    Raises:
        DownloadError: the Hub cannot be reached, or fails.
    """
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except I2IError:
        raise
    except errors.GatedRepoError as error:
        page = f"{hub}/{subject.removeprefix('hf://').partition('@')[0]}"
        raise refused(
            f"{subject} is gated: its authors give access on request. Ask for it on {page}, then log in with "
            "`hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise refused(f"{subject}: the repository has no such branch, tag or commit.") from error
    except errors.LocalEntryNotFoundError as error:
        raise DownloadError(f"{subject} could not be downloaded from {hub}: {_first_line(error)}.") from error
    except errors.EntryNotFoundError as error:
        raise refused(f"{subject}: the repository has no such file.") from error
    except errors.RepositoryNotFoundError as error:
        raise refused(
            f"{subject}: there is no such model at {hub}, or it is private and your login may not read it. Check the "
            f"name. {_LOGIN} if the model is private."
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise DownloadError(
            f"{subject} cannot be reached: HF_HUB_OFFLINE forbids requests. Unset it, or use a local model."
        ) from error
    except errors.HfHubHTTPError as error:
        raise _http_error(error, subject, refused) from error
    except errors.HFValidationError as error:
        raise refused(f"{subject} is no valid address: {_first_line(error)}.") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise DownloadError(f"{subject}: {_first_line(error)}.") from error
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):
            raise
        raise DownloadError(
            f"{subject}: {hub} cannot be reached ({_first_line(error)}). Check the network, and HF_ENDPOINT if it is "
            "set."
        ) from error


def _http_error(error: Exception, subject: str, refused: type[I2IError]) -> I2IError:
    """Return the error of an answer of the Hub other than 2xx."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    said = getattr(error, "server_message", None)
    reason = f": {_first_line(str(said))}" if said else ""
    if status == 401:
        return refused(f"{subject}: the Hub does not accept your token{reason}. {_LOGIN} to a valid token.")
    if status == 403:
        return refused(
            f"{subject}: your login may not do this{reason}. {_LOGIN} to a token with this permission, or name a "
            "repository of your own."
        )
    if status in (409, 412):
        return refused(f"{subject} was changed by somebody else in the meantime{reason}. Run the command again.")
    if status == 429:
        return DownloadError(f"{subject}: the Hub refuses further requests for now{reason}. Try again later.")
    return DownloadError(f"{subject}: the Hub answered with status {status}{reason}. Try again later.")


def _first_line(error: object) -> str:
    """Return the first line of what a server or package says, without control characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return "".join(char if char.isprintable() else "\ufffd" for char in lines[0])[:200].rstrip(".")
