"""Documents that clients send again and again are parsed and validated once."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import TypeGuard

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, specified_rules
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from api.graphql.limits import MAX_TOKENS

MAX_DOCUMENTS = 128
MAX_LENGTH = 8_192  # characters; longer ones are rare, and would make the cache heavy


class KnownDocuments(SchemaExtension):
    """Parses and validates through a cache."""

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        if _may_be_kept(execution.query):
            with suppress(GraphQLError, RecursionError):  # parsed again, and reported, by Strawberry
                execution.graphql_document = _parsed(execution.query)
        yield

    def on_validate(self) -> Iterator[None]:
        execution = self.execution_context
        if _may_be_kept(execution.query):
            execution.pre_execution_errors = list(_errors(execution.schema._schema, execution.query))
        # Strawberry would take the first one, which may be a mutation that nobody meant.
        if execution._provided_operation_name is None and _operations(execution.graphql_document) > 1:
            unclear = GraphQLError("Say in operationName which of the document's operations is meant.")
            execution.pre_execution_errors = [*(execution.pre_execution_errors or ()), unclear]
        yield


def _operations(document: DocumentNode | None) -> int:
    return 0 if document is None else sum(isinstance(part, OperationDefinitionNode) for part in document.definitions)


def _may_be_kept(query: str | None) -> TypeGuard[str]:
    """Not what may hold a secret: one that is typed into a document stands behind the word `literal`."""
    return query is not None and len(query) <= MAX_LENGTH and "literal" not in query


@lru_cache(MAX_DOCUMENTS)
def _parsed(query: str) -> DocumentNode:
    return parse(query, max_tokens=MAX_TOKENS)


@lru_cache(MAX_DOCUMENTS)
def _errors(schema: GraphQLSchema, query: str) -> tuple[GraphQLError, ...]:
    return tuple(validate_document(schema, _parsed(query), tuple(specified_rules)))
