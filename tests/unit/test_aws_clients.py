"""How what botocore raises is told to people."""

import botocore.exceptions
import pytest

from workers.aws_clients import provider_errors
from workers.errors import ProviderRefusedError


def test_missing_credentials_are_told_with_what_to_set() -> None:
    with pytest.raises(ProviderRefusedError, match="no AWS credentials were found") as caught, provider_errors("Polly"):
        raise botocore.exceptions.NoCredentialsError

    assert (caught.value.code, caught.value.retriable) == ("aws_credentials", False)
    assert "AWS_PROFILE" in caught.value.text
