"""Who may do what in AWS: every recorded call of a conversation is allowed to its role, and others are not."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.deployment.iam_policies import ACCOUNT, FOLDER, REGION, IamRequest, is_allowed, may_assume, read_policy
from tests.deployment.pod_identity import PodIdentityAgent
from tests.deployment.recorded_calls import DESTINATIONS, bedrock_requests, iam_requests
from tests.house import House
from tests.journeys.client import connect, tell_script
from tests.journeys.pictures import scene
from tests.journeys.sounds import speech

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]

Json = dict[str, Any]
ROLE_OF = {"transcribe": "web", "bedrock": "talking", "polly": "talking", "polly_marks": "talking"}
POD_IDENTITY = ("Service", "pods.eks.amazonaws.com")
PROFILE = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.amazon.nova-pro-v1:0"
MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"
HERE = {"aws:RequestedRegion": REGION}
THROUGH = {**HERE, "bedrock:InferenceProfileArn": PROFILE}
STREAM = "bedrock:InvokeModelWithResponseStream"
REFUSED = [
    ("web", IamRequest(STREAM, PROFILE, HERE)),
    ("web", IamRequest("polly:SynthesizeSpeech", "*", HERE)),
    ("web", IamRequest("transcribe:StartTranscriptionJob", "*", HERE)),
    ("web", IamRequest("transcribe:StartMedicalStreamTranscription", "*", HERE)),
    ("web", IamRequest("transcribe:StartCallAnalyticsStreamTranscription", "*", HERE)),
    ("web", IamRequest("transcribe:StartStreamTranscription", "*", {"aws:RequestedRegion": "eu-west-1"})),
    ("web", IamRequest("s3:GetObject", "arn:aws:s3:::anything/at-all", HERE)),
    ("web", IamRequest("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/nova-talking", HERE)),
    (
        "web",
        IamRequest("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:nova/x", HERE),
    ),
    ("talking", IamRequest("transcribe:StartStreamTranscription", "*", HERE)),
    ("talking", IamRequest("bedrock:InvokeModel", PROFILE, HERE)),
    ("talking", IamRequest("bedrock:ListFoundationModels", "*", HERE)),
    ("talking", IamRequest("bedrock:CreateModelCustomizationJob", "*", HERE)),
    ("talking", IamRequest(STREAM, MODEL, HERE)),
    ("talking", IamRequest(STREAM, MODEL.replace("nova-pro", "nova-premier"), THROUGH)),
    ("talking", IamRequest(STREAM, MODEL.replace("nova-pro", "nova-lite"), THROUGH)),
    ("talking", IamRequest(STREAM, MODEL.replace(REGION, "eu-north-1"), THROUGH)),
    ("talking", IamRequest(STREAM, PROFILE.replace("nova-pro", "nova-premier"), HERE)),
    ("talking", IamRequest(STREAM, PROFILE.replace(ACCOUNT, "444455556666"), HERE)),
    ("talking", IamRequest("polly:StartSpeechSynthesisTask", "*", HERE)),
    ("talking", IamRequest("polly:PutLexicon", f"arn:aws:polly:{REGION}:{ACCOUNT}:lexicon/all", HERE)),
    ("talking", IamRequest("polly:SynthesizeSpeech", "*", {"aws:RequestedRegion": "eu-west-1"})),
    ("talking", IamRequest("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/nova-web", HERE)),
]


class HouseOfPods(House):
    """Its processes get what EKS gives a pod, and no other credentials."""

    def __init__(self, agent: PodIdentityAgent) -> None:
        super().__init__("aws", settings=agent.env)

    def _own_environment(self) -> dict[str, str]:
        given = super()._own_environment()
        del given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]
        nothing = {"AWS_CONFIG_FILE": "no-such-file", "AWS_SHARED_CREDENTIALS_FILE": "no-such-file"}
        return {**given, **nothing, "AWS_EC2_METADATA_DISABLED": "true"}


class Conversations(NamedTuple):
    """The journals of two conversations, between which the agent's key has changed."""

    first: list[Json]
    second: list[Json]
    refused_tokens: int


async def _talk(house: House, *expired: str) -> list[Json]:
    """One spoken turn with a picture; keys in `expired` are refused by all three services."""
    house.aws.reset()
    settings = {"accept_unknown_keys": True, "expired_keys": list(expired)}
    await tell_script(house, texts=["What do you see?"], bedrock=[{"text": "A grey wall."}], settings=settings)
    async with connect(house) as client:
        await client.show(scene(128))
        await client.speak(speech(800))
        response = (await client.wait_for("response.done")).event.response
        assert response.status == "completed"
    return house.aws.journal()


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversations]:
    with PodIdentityAgent(tmp_path_factory.mktemp("agent")) as agent, HouseOfPods(agent) as house:
        first_key = agent.key_id
        first = asyncio.run(_talk(house))
        agent.change_key()
        second = asyncio.run(_talk(house, first_key))
        yield Conversations(first, second, agent.refused)


def keys_by_service(calls: list[Json]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for call in calls:
        found.setdefault(call["service"].removesuffix("_marks"), set()).add(call["access_key_id"])
    return found


def test_all_three_services_are_signed_with_the_key_of_the_pod_identity_agent(conversations: Conversations) -> None:
    expected = {"ASIAFIRSTKEY00000001"}
    assert keys_by_service(conversations.first) == dict.fromkeys(("transcribe", "bedrock", "polly"), expected)
    assert conversations.refused_tokens == 0


def test_all_three_services_are_signed_with_the_new_key_when_the_first_has_expired(
    conversations: Conversations,
) -> None:
    expected = {"ASIASECONDKEY0000002"}
    assert keys_by_service(conversations.second) == dict.fromkeys(("transcribe", "bedrock", "polly"), expected)
    assert "refused" not in {call["outcome"] for call in conversations.second}


def test_every_recorded_call_is_allowed_to_its_role(conversations: Conversations) -> None:
    calls = [*conversations.first, *conversations.second]
    assert {call["service"] for call in calls} == set(ROLE_OF)
    refused = [
        request
        for call in calls
        for request in iam_requests(call)
        if not is_allowed(read_policy(f"{ROLE_OF[call['service']]}-policy"), request)
    ]
    assert refused == []


def test_no_recorded_call_is_allowed_to_the_other_role(conversations: Conversations) -> None:
    other = {"web": "talking", "talking": "web"}
    allowed = [
        request
        for call in conversations.first
        for request in iam_requests(call)
        if is_allowed(read_policy(f"{other[ROLE_OF[call['service']]]}-policy"), request)
    ]
    assert allowed == []


def test_transcribe_by_http2_is_allowed_too() -> None:
    [request] = iam_requests({"service": "transcribe", "transport": "http2"})
    assert request.action == "transcribe:StartStreamTranscription"
    assert is_allowed(read_policy("web-policy"), request)


@pytest.mark.parametrize("model_id", ["us.amazon.nova-pro-v1:0", "us.amazon.nova-lite-v1:0"])
def test_a_model_may_answer_wherever_its_profile_leads(model_id: str) -> None:
    requests = bedrock_requests(model_id)
    assert len(requests) == 1 + len(DESTINATIONS)
    assert all(is_allowed(read_policy("talking-policy"), request) for request in requests)


@pytest.mark.parametrize(("role", "request_made"), REFUSED, ids=lambda item: getattr(item, "action", item))
def test_what_no_process_does_is_refused(role: str, request_made: IamRequest) -> None:
    assert not is_allowed(read_policy(f"{role}-policy"), request_made)


def test_the_refused_are_twenty_or_more() -> None:
    assert len({(role, request.action, request.resource) for role, request in REFUSED}) >= 20


@pytest.mark.parametrize("role", ["web", "talking"])
def test_only_statements_that_cannot_name_a_resource_say_any(role: str) -> None:
    """Streaming transcription and speech synthesis have no resources in IAM; the model has."""
    for statement in read_policy(f"{role}-policy")["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions)
        if any(action.startswith("bedrock:") for action in actions):
            assert not any("*" in resource for resource in statement["Resource"])


@pytest.mark.parametrize("role", ["web", "talking"])
@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession"])
def test_a_role_trusts_one_service_account_of_one_cluster(role: str, action: str) -> None:
    tags = {
        "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/nova",
        "aws:RequestTag/kubernetes-namespace": "nova",
        "aws:RequestTag/kubernetes-service-account": f"nova-{role}",
    }
    trust = read_policy(f"{role}-trust")
    assert may_assume(trust, POD_IDENTITY, IamRequest(action, "", tags))
    for name in tags:
        assert not may_assume(trust, POD_IDENTITY, IamRequest(action, "", {**tags, name: "another"}))
        assert not may_assume(
            trust, POD_IDENTITY, IamRequest(action, "", {key: tags[key] for key in tags if key != name})
        )
    assert not may_assume(trust, ("Service", "ec2.amazonaws.com"), IamRequest(action, "", tags))


@pytest.mark.parametrize("role", ["web", "talking"])
def test_irsa_trusts_one_subject_and_one_audience(role: str) -> None:
    trust = read_policy(f"{role}-trust-irsa")
    [statement] = trust["Statement"]
    provider = statement["Principal"]["Federated"]
    issuer = provider.partition("oidc-provider/")[2]
    claims = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": f"system:serviceaccount:nova:nova-{role}"}
    action = "sts:AssumeRoleWithWebIdentity"
    assert may_assume(trust, ("Federated", provider), IamRequest(action, "", claims))
    for name in claims:
        assert not may_assume(trust, ("Federated", provider), IamRequest(action, "", {**claims, name: "another"}))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_document_is_of_the_current_language_and_every_statement_has_a_name(path: Any) -> None:
    document = json.loads(path.read_text())
    assert document["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(names)) == len(names)
    assert all(name.isalnum() for name in names)
