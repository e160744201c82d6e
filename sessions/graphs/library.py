"""The graphs of this deployment: every JSON file in `files`, read and checked once."""

import functools
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from sessions.graphs.graph import BAD_PROPERTIES, Graph
from workers.errors import BadInputError, ConfigurationError

FILES = Path(__file__).parent / "files"
DEFAULT_GRAPH = "voice"
_ADAPTER: TypeAdapter[Graph] = TypeAdapter(Annotated[Graph, Field(discriminator="layout")])


def load_graph(name: str) -> Graph:
    """Raises BadInputError for an unknown name; a name is never a path."""
    graph = _library().get(name)
    if graph is None:
        known = ", ".join(_library())
        raise BadInputError(
            f"graph_name: there is no such graph; known are {known}", field="graph_name", code=BAD_PROPERTIES
        )
    return graph


def all_graphs() -> list[Graph]:
    return list(_library().values())


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
