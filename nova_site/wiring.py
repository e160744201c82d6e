"""Hands each process its own frozen settings, made from the environment."""

from nova_site.env import KINDS, Environment
from sessions.live.usage import Providers
from sessions.settings import WebSettings
from workers.settings import WorkerSettings


def worker_settings(env: Environment) -> WorkerSettings:
    return WorkerSettings(
        redis_url=env.redis_url,
        language_model=env.provider("language_model"),
        text_to_speech=env.provider("text_to_speech"),
        aws=env.aws,
        polly_limits=env.polly_limits,
        has_word_marks=env.nova_word_marks,
        fallback_model_id=env.nova_fallback_model_id or "",
        stop_seconds=env.nova_worker_stop_seconds,
    )


def build_web_settings(env: Environment) -> WebSettings:
    certificate = env.agora_app_certificate
    origin_secret = env.nova_origin_secret
    return WebSettings(
        redis_url=env.redis_url,
        speech_to_text=env.provider("speech_to_text"),
        language_model=env.provider("language_model"),
        text_to_speech=env.provider("text_to_speech"),
        providers=Providers(*(env.provider_name(kind) for kind in KINDS)),
        aws=env.aws,
        transcribe_transport=env.nova_transcribe_transport,
        transcribe_streams_quota=env.nova_transcribe_streams_quota,
        transcribe_starts_per_second=env.nova_transcribe_starts_per_second,
        transcribe_rotate_seconds=env.nova_transcribe_rotate_seconds,
        model_id=env.nova_model_id,
        voice=env.nova_voice,
        engine=env.nova_engine,
        language=env.nova_language,
        voice_activity=env.nova_voice_activity,
        speculation=env.nova_speculation,
        filler_ms=env.nova_filler_ms,
        video_frame_interval_seconds=env.video_frame_interval,
        vision=env.vision_bounds(env.nova_prices),
        sessions_max=env.sessions_max,
        session_idle_seconds=env.session_idle_seconds,
        resume_seconds=env.nova_resume_seconds,
        drain_seconds=env.nova_drain_seconds,
        calls_per_minute=env.nova_calls_per_minute,
        auth=env.nova_auth,
        api_keys=env.nova_api_keys,
        public_url=env.nova_public_url,
        allowed_origins=env.nova_allowed_origins,
        trusted_hops=env.nova_trusted_hops,
        origin_secret=origin_secret.get_secret_value() if origin_secret else None,
        agora_app_id=env.agora_app_id,
        agora_app_certificate=certificate.get_secret_value() if certificate else None,
        agora_token_version=env.nova_agora_token_version,
        agora_allow_no_certificate=env.nova_agora_allow_no_certificate,
        host=env.host,
        port=env.port,
        web_processes=env.web_processes,
        admin_hosts=env.nova_admin_hosts,
        webhook_allow_private=env.nova_webhook_allow_private,
        broker_url=env.broker_url,
        polly_limits=env.polly_limits,
        records_kept_days=env.nova_records_kept_days,
        budget_session_usd=env.nova_budget_session_usd,
        budget_key_day_usd=env.nova_budget_key_day_usd,
        budget_day_usd=env.nova_budget_day_usd,
        prices_path=env.nova_prices,
    )
