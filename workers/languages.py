"""How languages are named: Transcribe, Polly and people disagree on Chinese; pure."""

_CHINESE_PRIMARY_TAGS = frozenset({"zh", "cmn", "yue"})


def primary_tag(language: str) -> str:
    """`en` of `en-US`; `zh` for every Chinese, however a service names it (`zh-CN`, `cmn-CN`, `yue-CN`)."""
    tag = language.split("-")[0].lower()
    return "zh" if tag in _CHINESE_PRIMARY_TAGS else tag
