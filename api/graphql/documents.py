"""Documents, made ready: parsed, measured and validated; those that clients send again and again, once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, specified_rules, validate
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.graphql import OperationType

from api.graphql.measure import Measure, Sizes, excess, has_more_values, measure, page_sizes, too_complex
from api.limits import DocumentLimits

MAX_KEPT = 128
MAX_KEPT_CHARACTERS = 8_192  # longer documents are rare, and would make the cache heavy
MAX_ERRORS = 10  # each shows the whole value that is wrong

_IN_PLACE = {kind: parse(f"{kind.value} {{ __typename }}") for kind in OperationType}
_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)


class Document:
    """One document, read. Raises `GraphQLError` where it cannot be."""

    def __init__(self, schema: GraphQLSchema, query: str, limits: DocumentLimits) -> None:
        self.syntax: DocumentNode = parse(query, max_tokens=limits.max_tokens)
        self._schema = schema
        self._limits = limits
        self._measured = Sizes(), self._measure(Sizes())

    def measure(self, sizes: Sizes) -> Measure:
        """How much it asks for with these page sizes; the latest answer is kept: most ask for the same."""
        if self._measured[0] != sizes:
            self._measured = sizes, self._measure(sizes)
        return self._measured[1]

    @cached_property
    def errors(self) -> tuple[GraphQLError, ...]:
        """What validation finds. Only for a document within its limits: some rules compare fields pair by pair."""
        return tuple(
            validate(
                self._schema,
                self.syntax,
                _RULES,
                max_errors=MAX_ERRORS,
                # A schema that may not be looked at is not given away name by name.
                hide_suggestions=self._limits.max_introspections == 0,
            )
        )

    @property
    def operations(self) -> int:
        """How many there are; of several, the client must say which one is meant."""
        return sum(isinstance(part, OperationDefinitionNode) for part in self.syntax.definitions)

    def _measure(self, sizes: Sizes) -> Measure:
        return measure(self.syntax, self._schema, sizes, self._limits.max_depth)


class Documents:
    """Reads documents within limits, and keeps short ones."""

    def __init__(self, limits: DocumentLimits) -> None:
        self.limits = limits
        self._kept = lru_cache(MAX_KEPT)(self._read)

    def read(self, schema: GraphQLSchema, query: str) -> Document:
        """The document of this text. Raises `GraphQLError` for one that cannot be read, or is too long to be."""
        if len(query) > self.limits.max_characters:
            raise too_complex(f"A document has at most {self.limits.max_characters} characters.")
        return self._kept(schema, query) if _may_be_kept(query) else self._read(schema, query)

    def _read(self, schema: GraphQLSchema, query: str) -> Document:
        return Document(schema, query, self.limits)


class ReadyDocuments(SchemaExtension):
    """Parses, measures and validates in Strawberry's stead; what is over the limits is not validated any more.

    Strawberry has no public names for the schema of graphql-core (`_schema`) and for the operation's name as the client
    gave it (`_provided_operation_name`): strawberry/types/execution.py of 0.341.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._errors: Callable[[], Sequence[GraphQLError]] = tuple

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        if execution.query:
            try:
                document = self._documents.read(execution.schema._schema, execution.query)
                if not document.operations:
                    raise GraphQLError("The document holds no operation.", extensions={"code": "BAD_REQUEST"})
            except GraphQLError as unreadable:
                self._refuse(unreadable)
            else:
                execution.graphql_document = document.syntax
                self._errors = self._look(document, execution.variables or {})
        yield

    def on_validate(self) -> Iterator[None]:
        self.execution_context.pre_execution_errors = list(self._errors())
        yield

    def _refuse(self, error: GraphQLError) -> None:
        """Strawberry would try again to read it. Instead it gets a document that is allowed here, and the error."""
        self.execution_context.graphql_document = _IN_PLACE[next(iter(self.execution_context.allowed_operations))]
        self.execution_context._provided_operation_name = None
        self._errors = lambda: [error]

    def _look(self, document: Document, variables: Mapping[str, Any]) -> Callable[[], Sequence[GraphQLError]]:
        limits = self._documents.limits
        if has_more_values(variables, limits.max_variable_values):
            return lambda: [too_complex(f"Variables hold at most {limits.max_variable_values} values.")]
        measured = document.measure(page_sizes(variables))
        self.execution_context.context.measure = measured
        refusal = excess(measured, limits)
        if refusal is not None:
            return lambda: [too_complex(refusal)]
        # Strawberry would take the first one, which may be a mutation that nobody meant.
        if self.execution_context._provided_operation_name is None and document.operations > 1:
            unclear = GraphQLError(
                "Say in operationName which of the document's operations is meant.", extensions={"code": "BAD_REQUEST"}
            )
            return lambda: [*document.errors, unclear]
        return lambda: document.errors


def _may_be_kept(query: str) -> bool:
    """Not what may hold a secret: one that is typed into a document stands behind the word `literal`."""
    return len(query) <= MAX_KEPT_CHARACTERS and "literal" not in query
