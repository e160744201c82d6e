"""Credentials of botocore's own chain for Transcribe, fetched off the event loop; never logged."""

import asyncio
import threading

import botocore.exceptions
import botocore.session
from botocore.credentials import ReadOnlyCredentials

from workers.errors import ProviderRefusedError, ProviderUnavailableError

FETCH_LIMIT_SECONDS = 5.0


class AwsCredentials:
    """Roles refresh themselves; what cannot (files, the environment) is read again after `forget`."""

    def __init__(self) -> None:
        self._session: botocore.session.Session | None = None
        self._lock = threading.Lock()

    async def fresh(self) -> ReadOnlyCredentials:
        """Raises ProviderRefusedError when the chain has none."""
        return await asyncio.wait_for(asyncio.to_thread(self._fetch), FETCH_LIMIT_SECONDS)

    def forget(self) -> None:
        """The service refused them: the next fetch walks the whole chain again."""
        self._session = None

    def _fetch(self) -> ReadOnlyCredentials:
        try:
            with self._lock:
                session = self._session = self._session or botocore.session.Session()
                credentials = session.get_credentials()
                frozen = credentials.get_frozen_credentials() if credentials else None
        except botocore.exceptions.BotoCoreError as error:
            raise ProviderUnavailableError(f"AWS credentials: {type(error).__name__}") from error
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise ProviderRefusedError("no AWS credentials were found", code="stt_credentials")
        return ReadOnlyCredentials(frozen.access_key, frozen.secret_key, frozen.token)
