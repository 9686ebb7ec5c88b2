"""`headwater schema`."""

import sys
from typing import Annotated

import typer


def schema(
    federated: Annotated[bool, typer.Option("--federated", help="As a gateway gets it from `_service`.")] = False,
) -> None:
    """Print the GraphQL schema."""
    from api.graphql.schema import federated_sdl, schema_text

    sys.stdout.write(federated_sdl() if federated else schema_text())
