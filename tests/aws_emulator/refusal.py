"""How Bedrock says no."""


class InvalidRequestError(Exception):
    """A request Bedrock refuses; the text is what it says."""

    def __init__(self, message: str, error_type: str = "ValidationException") -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
