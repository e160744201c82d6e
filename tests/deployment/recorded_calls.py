"""What calls of the emulator's journal ask of IAM: action, resource and context, as the services document them."""

from typing import Any

from tests.deployment.iam_policies import ACCOUNT, REGION, IamRequest

Json = dict[str, Any]
# Where the profiles of the United States lead to (AWS: supported regions of inference profiles).
DESTINATIONS = ("us-east-1", "us-east-2", "us-west-2")


def iam_requests(call: Json) -> list[IamRequest]:
    """All of them must be allowed for the call to be."""
    match call["service"]:
        case "bedrock":
            return bedrock_requests(str(call["parameters"]["model_id"]))
        case "polly" | "polly_marks":
            return [IamRequest("polly:SynthesizeSpeech", "*", _anywhere())]
        case "transcribe":
            by_websocket = "WebSocket" if call["transport"] == "websocket" else ""
            return [IamRequest(f"transcribe:StartStreamTranscription{by_websocket}", "*", _anywhere())]
    raise ValueError(f"no action is known for {call['service']}")


def bedrock_requests(model_id: str, action: str = "bedrock:InvokeModelWithResponseStream") -> list[IamRequest]:
    """ConverseStream needs InvokeModelWithResponseStream: on the profile, and on the model where the profile leads."""
    geography, _, base = model_id.partition(".")
    if geography != "us":
        return [IamRequest(action, f"arn:aws:bedrock:{REGION}::foundation-model/{model_id}", _anywhere())]
    profile = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{model_id}"
    models = [f"arn:aws:bedrock:{region}::foundation-model/{base}" for region in DESTINATIONS]
    through = {**_anywhere(), "bedrock:InferenceProfileArn": profile}
    return [IamRequest(action, profile, _anywhere()), *(IamRequest(action, model, through) for model in models)]


def _anywhere() -> dict[str, str]:
    return {"aws:RequestedRegion": REGION}
