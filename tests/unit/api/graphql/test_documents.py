"""Documents are read once, and refused where they ask for too much."""

from functools import cache

import pytest
from graphql import GraphQLError, GraphQLSchema

from api.graphql.context import Context
from api.graphql.documents import MAX_ERRORS, MAX_KEPT_CHARACTERS, Documents
from api.graphql.measure import page_sizes
from api.graphql.schema import HeadwaterSchema, build_schema
from api.limits import DocumentLimits
from domain.models.access import Permission, Scope, Viewer

ANYBODY = Viewer(name="ada", kind="local", permissions=frozenset(Permission), scope=Scope())
LIMITS = DocumentLimits(max_variable_values=10, max_characters=1_000, max_fields=5)


@cache
def served_schema(limits: DocumentLimits = LIMITS) -> HeadwaterSchema:
    return build_schema(limits)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return served_schema()._schema


async def codes(query: str, limits: DocumentLimits = LIMITS, **variables: object) -> list[str]:
    answer = await served_schema(limits).execute(
        query,
        variable_values=variables,
        context_value=Context(None, ANYBODY, limits),  # type: ignore[arg-type]  # no resolver of ours is reached
    )
    return [(error.extensions or {})["code"] for error in answer.errors or ()]


class TestKeeping:
    def test_a_document_is_read_once(self, schema: GraphQLSchema):
        documents = Documents(DocumentLimits())
        assert documents.read(schema, "{ __typename }") is documents.read(schema, "{ __typename }")

    @pytest.mark.parametrize("query", ["{ a(b: {literal: 1}) }", "{ a }" + " " * MAX_KEPT_CHARACTERS])
    def test_what_may_hold_a_secret_or_is_long_is_not_kept(self, schema: GraphQLSchema, query: str):
        documents = Documents(DocumentLimits())
        assert documents.read(schema, query) is not documents.read(schema, query)

    def test_it_is_measured_with_each_request_s_page_sizes(self, schema: GraphQLSchema):
        document = Documents(DocumentLimits()).read(
            schema, "query ($n: Int) { dataSources(first: $n) { nodes { id } } }"
        )
        costs = [document.measure(page_sizes({"n": size})).extent.cost for size in (1, 100, 1)]
        assert costs == [3, 201, 3]

    def test_at_most_so_many_errors_are_told(self, schema: GraphQLSchema):
        document = Documents(DocumentLimits()).read(schema, "{" + " ".join(f"a{n}" for n in range(99)) + "}")
        assert len(document.errors) == MAX_ERRORS + 1
        assert "limit" in document.errors[-1].message

    def test_a_hidden_schema_is_not_given_away_name_by_name(self, schema: GraphQLSchema):
        query = "{ dataSource { id } dataSourcez { id } }"
        for shown, limits in ((True, DocumentLimits()), (False, DocumentLimits(max_introspections=0))):
            told = " ".join(error.message for error in Documents(limits).read(schema, query).errors)
            assert ("Did you mean" in told) is shown

    def test_one_that_is_too_long_is_not_read_at_all(self, schema: GraphQLSchema):
        with pytest.raises(GraphQLError, match="at most 1000 characters"):
            Documents(LIMITS).read(schema, "#" * 1_001)


class TestRefusals:
    async def test_too_many_values_in_variables(self):
        query = "query ($i: [ID!]!) { nodes(ids: $i) { id } }"
        assert await codes(query, i=["x"] * 10) == ["TOO_COMPLEX"]

    async def test_too_many_fields_are_said_alone_and_not_validated(self):
        assert await codes("{ a b c d e f }") == ["TOO_COMPLEX"]
        assert await codes("{ a b c d e }") == ["GRAPHQL_VALIDATION_FAILED"] * 5

    async def test_too_many_characters(self):
        assert await codes("{ __typename }" + " " * 1_000) == ["TOO_COMPLEX"]

    async def test_too_many_tokens(self):
        assert await codes("{ " + "a " * 6_000 + "}", DocumentLimits()) == ["GRAPHQL_PARSE_FAILED"]

    @pytest.mark.parametrize("query", ["", "   ", "#", "{", "\ud800"])
    async def test_what_is_no_document(self, query: str):
        if query:
            assert await codes(query) == ["GRAPHQL_PARSE_FAILED"]

    async def test_a_document_without_an_operation(self):
        assert await codes("fragment F on Query { __typename }") == ["BAD_REQUEST"]

    async def test_introspection_can_be_turned_off(self):
        closed = DocumentLimits(max_introspections=0)
        assert await codes("{ __schema { description } }", closed) == ["TOO_COMPLEX"]
        assert await codes("{ __typename }", closed) == []

    async def test_introspection_in_circles_is_refused(self):
        circle = "fields { type { " * 4 + "name" + " } }" * 4
        assert await codes(f"{{ __schema {{ types {{ {circle} }} }} }}", DocumentLimits()) == [
            "GRAPHQL_VALIDATION_FAILED"
        ]
