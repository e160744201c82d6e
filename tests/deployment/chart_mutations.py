"""For each item one thing broken in a copy of the chart: what the item's check must notice, or it checks nothing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.chart import CHART

# Keeps the copied chart apart from what it lies beside.
COPIED = ("nova-realtime", "eks")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` stands in the file as it is; every place is replaced. `file` counts from helm/."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> Path:
        """Returns the folder of the mutated chart."""
        for name in COPIED:
            if (CHART.parent / name).exists():
                shutil.copytree(CHART.parent / name, folder / name)
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        assert self.old in text, f"{self.old!r} does not stand in {self.file}"
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return folder / "nova-realtime"


def of(file: str, old: str, new: str = "") -> Mutation:
    return Mutation(f"nova-realtime/{file}", old, new)


MUTATIONS: dict[int, Mutation] = {
    1: of("Chart.yaml", 'appVersion: "0.1.0"', 'appVersion: "0.0.9"'),
    2: of(
        "values.schema.json",
        '"type": "object",\n  "additionalProperties": false,\n  "allOf"',
        '"type": "object",\n  "additionalProperties": true,\n  "allOf"',
    ),
    3: of("templates/_guards.tpl", '{{- if and (eq .Values.aws.identity "podIdentity") $roles -}}', "{{- if false -}}"),
    4: of(
        "templates/_names.tpl",
        "app.kubernetes.io/component: {{ .component }}\n{{- end -}}",
        "app.kubernetes.io/component: {{ .component }}\nhelm.sh/chart: {{ .root.Chart.Version }}\n{{- end -}}",
    ),
    5: of("templates/_names.tpl", "(sha256sum . | trunc 6)", '"cut"'),
    6: of("templates/_names.tpl", "{{- if $image.digest -}}", "{{- if not $image.tag | and $image.digest -}}"),
    7: of("templates/talking.yaml", "args: [worker, reply, speech,", "args: [worker, reply,"),
    8: of("templates/web.yaml", "maxUnavailable: 0", "maxUnavailable: 1"),
    9: of("templates/web.yaml", '{{- if not (include "nova.isScaled" $it) }}', "{{- if true }}"),
    10: of("templates/web.yaml", "{{ .Values.web.terminationGraceSeconds }}", "30"),
    11: of(
        "templates/_pods.tpl",
        "livenessProbe:\n  httpGet:\n    path: /livez",
        "livenessProbe:\n  httpGet:\n    path: /readyz",
    ),
    12: of("templates/disruption.yaml", "  unhealthyPodEvictionPolicy: AlwaysAllow\n", ""),
    13: of("templates/_pods.tpl", "whenUnsatisfiable: {{ $strictness }}", "whenUnsatisfiable: ScheduleAnyway"),
    14: of(
        "values.yaml",
        "limits: {memory: 512Mi, ephemeral-storage: 128Mi}",
        "limits: {memory: 1Gi, ephemeral-storage: 128Mi}",
    ),
    15: of("templates/_pods.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    16: of("templates/_pods.tpl", "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    17: of("templates/serviceaccounts.yaml", "(get $roles $component)", "$.Values.web.roleArn"),
    18: Mutation("eks/iam/talking-policy.json", '"bedrock:InvokeModelWithResponseStream"', '"bedrock:*"'),
    19: Mutation("eks/iam/web-trust.json", '["sts:AssumeRole", "sts:TagSession"]', '["sts:AssumeRole"]'),
    20: of(
        "templates/secrets.yaml",
        "default (randAlphaNum $length | b64enc) (get $known $key)",
        "randAlphaNum $length | b64enc",
    ),
    21: of(
        "templates/_environment.tpl",
        'checksum/settings: {{ include "nova.configuration" . | sha256sum }}',
        "checksum/settings: same",
    ),
    22: of(
        "templates/migrate.yaml", "helm.sh/hook: pre-install,pre-upgrade", "helm.sh/hook: post-install,post-upgrade"
    ),
    23: of("templates/services.yaml", "appProtocol: http", "appProtocol: tcp"),
    24: of("templates/ingress.yaml", "stickiness.enabled=false", "stickiness.enabled=true"),
    25: of("templates/web.yaml", '{{- with include "nova.frontDoorVariables" . | trim }}', "{{- with false }}"),
    26: of("templates/NOTES.txt", "elbv2.k8s.aws/pod-readiness-gate-inject=enabled", "ready=yes"),
    27: of("templates/networkpolicy.yaml", "    except: [169.254.0.0/16]\n", ""),
    28: of("templates/scaling.yaml", '{{- include "nova.scalingBehavior" 300', '{{- include "nova.scalingBehavior" 0'),
    29: of(
        "templates/scaling.yaml",
        "formula: running + queued_reply + queued_speech",
        "formula: queued_reply + queued_speech",
    ),
    30: of("templates/_environment.tpl", '"?ssl_cert_reqs=required"', '""'),
    31: of("templates/_guards.tpl", '(list "disable" "allow" "prefer")', '(list "disable" "allow")'),
    32: of("templates/ingress.yaml", '(list "/" "Exact")', '(list "/" "Prefix")'),
    33: of("alerts/nova-realtime.yaml", "nova_web_loop_lag_seconds", "nova_loop_lag_seconds"),
    34: of(
        "templates/_names.tpl",
        "mergeOverwrite (deepCopy .root.Values.pods) (default dict .values.pod)",
        "deepCopy .root.Values.pods",
    ),
    35: of("files/try_session.py", '    call("stop", {"channel_name": channel})\n', ""),
    36: of("templates/NOTES.txt", "WARNING: networkPolicy.enabled is false.", "networkPolicy.enabled is false."),
}
