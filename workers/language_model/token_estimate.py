"""How many tokens a request or an answer has cost when the provider did not say; a guess that is never zero."""

import json
import re

from workers.language_model.contract import ModelPart, ModelRequest, PicturePart, TextPart, ToolResultPart, ToolUsePart
from workers.language_model.model_table import model_facts, picture_tokens
from workers.vision.picture_size import picture_size

CHARACTERS_PER_TOKEN = 4
_UNREADABLE = (0, 0)

_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def estimated_tokens(text: str) -> int:
    """A wide (CJK) character counts as one token, four others together as one."""
    wide = len(_WIDE.findall(text))
    return max(1, wide + (len(text) - wide) // CHARACTERS_PER_TOKEN)


def estimated_input_tokens(request: ModelRequest) -> int:
    parts = [part for message in request.messages for part in message.parts]
    texts = [request.system, *(_text(part) for part in parts)]
    texts += [tool.description + json.dumps(tool.parameters) for tool in request.tools]
    return estimated_tokens("".join(texts)) + estimated_picture_tokens(request)


def estimated_picture_tokens(request: ModelRequest) -> int:
    """Of those the model takes, by their sizes; the newest ones go when there are too many."""
    pictures = [part for message in request.messages for part in message.parts if isinstance(part, PicturePart)]
    model = request.options.model
    taken = pictures[-model_facts(model).max_pictures :] if model_facts(model).sees else []
    return sum(picture_tokens(model, *(picture_size(picture.data) or _UNREADABLE)) for picture in taken)


def _text(part: ModelPart) -> str:
    match part:
        case TextPart(text=text):
            return text
        case PicturePart(caption=caption):
            return caption
        case ToolResultPart(content=content):
            return content
        case ToolUsePart(name=name, arguments=arguments):
            return name + json.dumps(arguments)
        case _:
            return ""
