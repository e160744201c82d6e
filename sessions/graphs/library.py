"""The graphs of this deployment: every JSON file in `files`, read and checked once, and what operators have set on top."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from sessions.graphs.graph import BAD_PROPERTIES, Graph
from workers.errors import BadInputError, ConfigurationError

FILES = Path(__file__).parent / "files"
DEFAULT_GRAPH = "voice"
_ADAPTER: TypeAdapter[Graph] = TypeAdapter(Annotated[Graph, Field(discriminator="layout")])


log = structlog.get_logger(__name__)


def load_graph(name: str) -> Graph:
    """Raises BadInputError for an unknown name, or a graph that operators have disabled; a name is never a path."""
    graphs = _current()
    graph = graphs.get(name)
    if graph is None:
        known = ", ".join(graphs)
        raise BadInputError(
            f"graph_name: there is no such graph; known are {known}", field="graph_name", code=BAD_PROPERTIES
        )
    return graph


def all_graphs() -> list[Graph]:
    return list(_current().values())


def file_graphs() -> list[Graph]:
    """As their files say, whatever operators have set."""
    return list(_library().values())


def set_operator_graphs(settings: Mapping[str, tuple[bool, dict[str, Any]]]) -> None:
    """By graph: whether it may be started, and properties by node on top of its file's.

    Properties that do not fit (any more) are left out and logged: a graph as in its file is better than none.
    """
    _operator_graphs.clear()
    for name, (is_enabled, properties) in settings.items():
        graph = _library().get(name)
        if graph is not None:
            _operator_graphs[name] = _with_properties(graph, properties) if is_enabled else None


_operator_graphs: dict[str, Graph | None] = {}


def _current() -> dict[str, Graph]:
    graphs = {name: _operator_graphs.get(name, graph) for name, graph in _library().items()}
    return {name: graph for name, graph in graphs.items() if graph is not None}


def _with_properties(graph: Graph, properties: dict[str, Any]) -> Graph:
    if not properties:
        return graph
    try:
        return graph.with_operator_properties(properties)
    except BadInputError as error:
        log.error("graph_setting_left_out", graph_name=graph.name, error=error.text)
        return graph


@functools.cache
def _library() -> dict[str, Graph]:
    graphs = [read_graph(path) for path in sorted(FILES.glob("*.json"))]
    return {graph.name: graph for graph in sorted(graphs, key=lambda graph: graph.name != DEFAULT_GRAPH)}


def read_graph(path: Path) -> Graph:
    """Raises ConfigurationError that names the file and the property."""
    try:
        graph = _ADAPTER.validate_json(path.read_bytes())
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"graph file {path.name}: {faults}") from None
    if graph.name != path.stem:
        raise ConfigurationError(f"graph file {path.name}: its name must be {path.stem}, not {graph.name}")
    return graph
