"""The folder of local data (.run): it holds all words said, so nobody but its owner may look into it."""

from pathlib import Path

from workers.errors import ConfigurationError

OWNER_ALONE = 0o700
MARK = "secret_key"


def keep_private(folder: Path) -> None:
    """Made, or closed to others. One that `--folder` named and no run has used yet stays as it is.

    It may be shared with others, as /tmp is. Raises ConfigurationError.
    """
    try:
        folder.mkdir(mode=OWNER_ALONE, exist_ok=True)
        if folder.name == ".run" or (folder / MARK).exists():
            folder.chmod(OWNER_ALONE)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be used for local data: {error.strerror}") from error
