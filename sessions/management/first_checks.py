"""What `manage.py run_local` looks at before it starts anything: settings that would end its children one by one."""

from sessions.settings import WebSettings
from workers.errors import ConfigurationError
from workers.plugins import load_object
from workers.prices import price_table


def check_settings(nova: WebSettings) -> None:
    """By the very functions that the children call. Raises ConfigurationError that names the setting."""
    price_table(nova.prices_path)
    providers = {
        "NOVA_SPEECH_TO_TEXT": nova.speech_to_text,
        "NOVA_LANGUAGE_MODEL": nova.language_model,
        "NOVA_TEXT_TO_SPEECH": nova.text_to_speech,
    }
    for variable, path in providers.items():
        _check_provider(variable, path)


def _check_provider(variable: str, path: str) -> None:
    try:
        provider = load_object(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error.text}") from error
    if not isinstance(provider, type):
        raise ConfigurationError(f"{variable}: {path!r} is no class")
