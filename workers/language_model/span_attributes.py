"""What a span of a model call tells, by OpenTelemetry's names for generative AI; never what was said."""

from typing import Any, Final

from workers.language_model.contract import LanguageModel, ModelFinished, ModelRequest

PROVIDER_NAMES: Final = {"AwsNova": "aws.bedrock", "LocalResponder": "local"}


def asked_attributes(model: LanguageModel, request: ModelRequest) -> dict[str, Any]:
    options = request.options
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(type(model).__name__, type(model).__name__),
        "gen_ai.request.model": options.model,
        "gen_ai.request.max_tokens": options.max_tokens,
        "gen_ai.request.temperature": options.temperature,
        "gen_ai.request.top_p": options.top_p,
        "gen_ai.output.type": "text",
    }


def answered_attributes(finished: ModelFinished) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gen_ai.usage.input_tokens": finished.usage.input_tokens,
        "gen_ai.usage.output_tokens": finished.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": finished.usage.cached_input_tokens,
        "gen_ai.response.finish_reasons": [finished.stop_reason],
    }
    if finished.model_id:
        told["gen_ai.response.model"] = finished.model_id
    return told
