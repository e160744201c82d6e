"""Values that must be refused: by the schema with the key's name, or by a guard with what to do instead."""

from tests.deployment.chart import Json, changed
from tests.deployment.chart_values import CERTIFICATE, INGRESS, MATRIX, MINIMAL, ROLE

# Name -> values, and the place that Helm's message must name.
BY_SCHEMA: dict[str, tuple[Json, str]] = {
    "unknown_top_key": (changed(MINIMAL, webb={}), "'webb'"),
    "unknown_inner_key": (changed(MINIMAL, web__replica=3), "'/web'"),
    "text_for_a_number": (changed(MINIMAL, web__replicas="three"), "'/web/replicas'"),
    "no_pods": (changed(MINIMAL, talking__replicas=0), "'/talking/replicas'"),
    "text_for_a_boolean": (changed(MINIMAL, redis__tls="yes"), "'/redis/tls'"),
    "latest_tag": (changed(MINIMAL, image__tag="latest"), "'/image/tag'"),
    "short_digest": (changed(MINIMAL, image__digest="sha256:abc"), "'/image/digest'"),
    "repository_with_placeholder": (changed(MINIMAL, image__repository="<account>/nova"), "'/image/repository'"),
    "host_with_placeholder": (changed(MINIMAL, redis__host="<endpoint>"), "'/redis/host'"),
    "pull_policy": (changed(MINIMAL, image__pullPolicy="Sometimes"), "'/image/pullPolicy'"),
    "providers": (changed(MINIMAL, providers="azure"), "'/providers'"),
    "region": (changed(MINIMAL, aws__region="Virginia"), "'/aws/region'"),
    "identity": (changed(MINIMAL, aws__identity="keys"), "'/aws/identity'"),
    "irsa_without_roles": (changed(MINIMAL, aws__identity="irsa"), "'/web/roleArn'"),
    "role_is_no_arn": (
        changed(MINIMAL, aws__identity="irsa", web__roleArn="nova-web", talking__roleArn=f"{ROLE}t"),
        "'/web/roleArn'",
    ),
    "unknown_setting": (changed(MINIMAL, settings={"NOVA_MODEL": "x"}), "'NOVA_MODEL'"),
    "setting_of_wrong_kind": (changed(MINIMAL, settings={"SESSIONS_MAX": "many"}), "'/settings/SESSIONS_MAX'"),
    "setting_out_of_range": (
        changed(MINIMAL, settings={"VIDEO_FRAME_INTERVAL": 0}),
        "'/settings/VIDEO_FRAME_INTERVAL'",
    ),
    "secret_as_setting": (changed(MINIMAL, settings={"DJANGO_SECRET_KEY": "x"}), "'DJANGO_SECRET_KEY'"),
    "ingress_without_host": (changed(INGRESS, ingress__host=""), "'/ingress/host'"),
    "ingress_without_certificate": (changed(INGRESS, ingress__certificateArn=""), "'/ingress/certificateArn'"),
    "cloudfront_without_prefix_list": (
        changed(INGRESS, ingress__mode="cloudfront"),
        "'/ingress/cloudfront/prefixListId'",
    ),
    "idle_time_too_short": (changed(INGRESS, ingress__idleTimeoutSeconds=20), "'/ingress/idleTimeoutSeconds'"),
    "keda_without_prometheus": (
        changed(MINIMAL, talking__autoscaling__kind="keda"),
        "'/talking/autoscaling/keda/prometheusAddress'",
    ),
    "cooldown_within_a_reply": (
        changed(MATRIX["keda"], talking__autoscaling__keda__cooldownSeconds=10),
        "'/talking/autoscaling/keda/cooldownSeconds'",
    ),
    "scaler": (changed(MINIMAL, talking__autoscaling__kind="vpa"), "'/talking/autoscaling/kind'"),
    "bundled_redis_by_tls": (changed(MATRIX["dev"], redis__tls=True), "'/redis/tls'"),
    "bundled_latest": (changed(MATRIX["dev"], redis__bundled__image="redis:latest"), "'/redis/bundled/image'"),
    "sslmode": (changed(MINIMAL, database__sslmode="on"), "'/database/sslmode'"),
    "cidr": (changed(MINIMAL, redis__cidrs=["10.0.0.0"]), "'/redis/cidrs/0'"),
    "agora_app_id": (changed(MINIMAL, agora__appId="123"), "'/agora/appId'"),
    "external_secret_without_store": (
        changed(MINIMAL, secrets={"externalSecret": {"enabled": True, "remoteKey": "nova"}}),
        "'/secrets/externalSecret/storeName'",
    ),
    "admin_without_allowlist": (
        changed(INGRESS, admin={"enabled": True, "host": "admin.example.com", "certificateArn": CERTIFICATE}),
        "'/admin/inboundCidrs'",
    ),
    "admin_for_everyone": (
        changed(
            INGRESS,
            admin={
                "enabled": True,
                "host": "admin.example.com",
                "certificateArn": CERTIFICATE,
                "inboundCidrs": ["0.0.0.0/0"],
            },
        ),
        "'/admin/inboundCidrs/0'",
    ),
    "memory": (changed(MINIMAL, web__resources__limits__memory="half a gigabyte"), "'/web/resources/limits/memory'"),
    "schedule": (changed(MINIMAL, housekeeping__schedule="daily"), "'/housekeeping/schedule'"),
    "volume_over_tmp": (
        changed(MINIMAL, pods__extraVolumeMounts=[{"name": "x", "mountPath": "/tmp"}]),
        "'/pods/extraVolumeMounts/0/mountPath'",
    ),
    "metrics_for_everyone": (
        changed(MINIMAL, networkPolicy__metricsNamespaceLabels={"kubernetes.io/metadata.name": None}),
        "'/networkPolicy/metricsNamespaceLabels'",
    ),
}

# Name -> values, and words of the guard's text.
BY_GUARD: dict[str, tuple[Json, str]] = {
    "nothing_set": ({}, "image.repository is empty"),
    "no_secret": (changed(MINIMAL, secrets__existingSecret=""), "secrets.existingSecret is empty"),
    "no_redis": (changed(MINIMAL, redis__host=""), "redis.host is empty"),
    "no_database": (changed(MINIMAL, database__host=""), "database.host is empty"),
    "two_secrets": (
        changed(MINIMAL, secrets__externalSecret={"enabled": True, "storeName": "aws", "remoteKey": "nova"}),
        "set only one of",
    ),
    "two_identities": (changed(MINIMAL, web__roleArn=f"{ROLE}web"), "asks for IRSA: choose one"),
    "no_identity": (changed(MINIMAL, aws__identity="none"), "leaves the pods without AWS rights"),
    "two_scalers": (
        changed(MINIMAL, talking__autoscaling__keda__prometheusAddress="http://prometheus:9090"),
        "an HPA and KEDA would pull",
    ),
    "grace_of_web": (changed(MINIMAL, web__terminationGraceSeconds=30), "web.terminationGraceSeconds 30 is too short"),
    "grace_of_talking": (
        changed(MINIMAL, talking__terminationGraceSeconds=25),
        "talking.terminationGraceSeconds 25 is too short",
    ),
    "deregistration": (
        changed(INGRESS, ingress__deregistrationDelaySeconds=10),
        "deregistrationDelaySeconds is shorter than web.drainSeconds",
    ),
    "bundled_redis_in_production": (changed(MATRIX["dev"], development=False), "needs development: true"),
    "bundled_database_in_production": (
        changed(MINIMAL, database={"bundled": {"enabled": True}, "sslmode": "disable"}),
        "database.bundled.enabled needs development: true",
    ),
    "plain_redis_in_production": (changed(MINIMAL, redis__tls=False), "redis.tls and redis.auth may be false"),
    "plain_database_in_production": (changed(MINIMAL, database__sslmode="prefer"), "may go unencrypted"),
    "stand_ins_in_production": (changed(MINIMAL, providers="local"), "answers with stand-ins"),
    "made_up_secrets_in_production": (
        changed(MINIMAL, secrets={"generate": True}),
        "secrets.generate needs development: true",
    ),
    "one_pod_in_production": (changed(MINIMAL, web__autoscaling__minReplicas=1), "fewer than two pods"),
    "upside_down_scaling": (
        changed(MINIMAL, seeing__autoscaling={"minReplicas": 5, "maxReplicas": 3}),
        "minReplicas 5 is more than maxReplicas 3",
    ),
    "nobody_reaches_the_web": (
        changed(INGRESS, networkPolicy__loadBalancer__cidrs=[]),
        "or nobody reaches the web",
    ),
    "admin_on_the_public_host": (
        changed(MATRIX["everything"], admin__host="talk.example.com"),
        "admin.host must differ from ingress.host",
    ),
    "static_key": (
        changed(MINIMAL, pods__extraEnv=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]),
        "puts a lasting AWS key into the cluster",
    ),
    "chart_made_variable": (
        changed(MINIMAL, web__pod={"extraEnv": [{"name": "NOVA_AUTH", "value": "open"}]}),
        "NOVA_AUTH is made by the chart",
    ),
    "secret_variable": (
        changed(MINIMAL, pods__extraEnv=[{"name": "REDIS_URL", "value": "redis://x"}]),
        "REDIS_URL is made by the chart",
    ),
    "setting_of_the_chart": (
        changed(INGRESS, settings={"NOVA_PUBLIC_URL": "https://other.example.com"}),
        "settings.NOVA_PUBLIC_URL is made by the chart",
    ),
    "monitor_without_metrics": (
        changed(MINIMAL, monitoring={"port": 0, "serviceMonitor": {"enabled": True}}),
        "monitoring.serviceMonitor needs metrics",
    ),
}
