"""What one document may ask for: measured by one walk, refused by a sentence, all in bounded time."""

import time
from functools import cache
from random import Random

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from api.graphql.measure import Extent, Sizes, excess, has_more_values, measure, page_sizes
from api.graphql.schema import build_schema
from api.limits import DocumentLimits


@cache
def schema() -> GraphQLSchema:
    return build_schema()._schema


def extent(query: str, sizes: Sizes = Sizes()) -> Extent:  # noqa: B008  # immutable
    return measure(parse(query), schema(), sizes, max_depth=25).extent


def refusal(query: str) -> str | None:
    return excess(measure(parse(query), schema(), Sizes(), DocumentLimits().max_depth), DocumentLimits())


def doubling(turns: int) -> str:
    fragments = (f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(turns))
    return f"{{ ...F0 }} {' '.join(fragments)} fragment F{turns} on Query {{ __typename }}"


class TestCounts:
    def test_fields_and_levels(self):
        measured = extent("{ dataSources { nodes { name id } } viewer: __typename }")
        assert (measured.fields, measured.depth, measured.aliases) == (5, 3, 1)

    def test_inline_fragments_are_no_levels(self):
        assert extent("{ ... on Query { ... { __typename } } }").depth == 1

    def test_a_fragment_counts_wherever_it_is_spread(self):
        measured = extent("{ ...F a: __typename ...F } fragment F on Query { b: __typename @skip(if: false) }")
        assert (measured.fields, measured.aliases, measured.directives) == (3, 3, 2)

    def test_directives_wherever_they_stand(self):
        query = "query ($a: Int @x) @x { ...F @x ... @x { __typename @x } } fragment F on Query @x { __typename }"
        assert extent(query).directives == 6

    def test_repetitions_are_fields_of_one_name_in_one_place(self):
        assert extent("{ __typename __typename a: __typename a: __typename }").repeats == 2
        assert extent("{ __typename ...F ... { __typename } } fragment F on Query { __typename }").repeats == 2
        assert extent("{ dataSources { nodes { id } edges { node { id } } } }").repeats == 0

    def test_a_fragment_that_spreads_itself_is_left_to_the_rule_about_it(self):
        assert extent("{ ...F } fragment F on Query { __typename ...F }").fields == 1

    def test_what_is_spread_nowhere_counts_too(self):
        assert extent("{ __typename } fragment F on Query { a: __typename b: __typename }").fields == 3

    def test_values_that_are_written_into_it(self):
        query = 'query ($n: Int = 3) { nodes(ids: ["a", "b"]) { x @skip(if: 1) } dataSource(by: { name: "x" }) { x } }'
        assert extent(query).literals == 1 + 3 + 1 + 2

    @pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "Table") { name } }'])
    def test_looks_at_the_schema(self, query: str):
        assert extent(query).introspections == 1


class TestCost:
    @pytest.mark.parametrize(
        ("query", "cost"),
        [
            ("{ dataSources { nodes { name } } }", 1 + 10 * 2),
            ("{ dataSources(first: 3) { nodes { name } } }", 1 + 3 * 2),
            ("{ dataSources(first: 3) { nodes { tables(first: 5) { nodes { name } } } } }", 1 + 3 * (1 + 1 + 5 * 2)),
            ("{ dataSources(first: -3) { nodes { name } } }", 1 + 3 * 2),
            ('{ nodes(ids: ["a", "b", "c"]) { id } }', 1 + 3),
            ("{ ...F } fragment F on Query { dataSources(first: 4) { nodes { name } } }", 1 + 4 * 2),
            ("{ unknown(first: 7) { x } }", 1 + 1),
        ],
    )
    def test_each_page_multiplies_what_is_in_it(self, query: str, cost: int):
        assert extent(query).cost == cost

    def test_sizes_come_from_variables_too(self):
        query = "query ($n: Int, $ids: [ID!]!) { dataSources(first: $n) { nodes { name } } nodes(ids: $ids) { id } }"
        assert extent(query, page_sizes({"n": 7, "ids": ["a"] * 9, "b": True, "s": "5"})).cost == 1 + 7 * 2 + 1 + 9
        assert extent(query).cost == 1 + 10 * 2 + 1 + 1

    def test_the_values_of_one_item_end_at_the_lists_in_it(self):
        document = parse("{ dataSources { nodes { name id tables { nodes { name } } capabilities { name reason } } } }")
        measured = measure(document, schema(), Sizes(), 25)
        (sources,) = document.definitions[0].selection_set.selections  # type: ignore[attr-defined]
        (nodes,) = sources.selection_set.selections
        capabilities = nodes.selection_set.selections[-1]
        page = 10
        assert measured.values_per_item[id(nodes)] == 1 + 2 + (1 + page + 1) + 1
        assert measured.values_per_item[id(capabilities)] == 1 + 2

    def test_lists_in_variables_count_wherever_they_are_used(self):
        query = "query ($i: [ID!]!) { a: nodes(ids: $i) { id } b: nodes(ids: $i) { id } c: nodes(ids: [1, 2]) { id } }"
        assert extent(query, page_sizes({"i": ["x"] * 40})).listed == 80


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("{" + "__typename " * 302 + "}", "repetitions"),
            ("{" + "dataSources { nodes { id } } " * 62 + "}", "repetitions"),
            ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", "aliases"),
            ("{ __typename " + "@skip(if: false) " * 101 + "}", "directives"),
            ("{" + " ".join(f"f{n}" for n in range(1001)) + "}", "fields"),
            ("{ a " * 26 + "}" * 26, "levels"),
            ("{" + "... { " * 101 + "a" + "}" * 101 + "}", "levels"),
            ("{ a: __schema { description } " * 1 + "b: __schema { a: description } " * 3 + "}", "looks at the schema"),
            (" ".join(f"query Q{n} {{ __typename }}" for n in range(101)), "operations and fragments"),
            ("{ a(b: [" + "1 " * 500 + "]) }", "use variables"),
            ("{ ...F } fragment F on Query { dataSources(first: 90000000) { nodes { id } } }", "page sizes"),
            (doubling(60), "fields"),
        ],
    )
    def test_each_bound_is_named(self, query: str, said: str):
        told = refusal(query)
        assert told is not None
        assert said in told

    def test_circles_of_pages_are_refused_before_they_are_answered(self):
        circle = "tables(first: 100) { nodes { dataSource { " * 4 + "id" + "} } }" * 4
        assert "page sizes" in (refusal(f"{{ dataSources(first: 100) {{ nodes {{ {circle} }} }} }}") or "")

    @pytest.mark.parametrize(
        "query",
        [
            get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True),
            "{ dataSources { nodes {"
            + " ".join(f"...F{n}" for n in range(40))
            + "} } }"
            + " ".join(f"fragment F{n} on DataSource {{ id __typename name fqn }}" for n in range(40)),
            "{ dataSources(first: 100) { nodes { tables(first: 100) { nodes { name columns(first: 500) {"
            " nodes { name nativeType nullable comment } } } } } } }",
        ],
    )
    def test_what_people_ask_passes(self, query: str):
        assert refusal(query) is None

    @pytest.mark.parametrize(
        "query",
        [
            "{" + "a " * 4_900 + "}",
            "{" + " ".join(f"a{n}: b" for n in range(1_200)) + "}",
            "{ a " + "@b " * 2_400 + "}",
            doubling(300),
            "{ a(b: {" + " ".join(f"k{n}: 1" for n in range(1_600)) + "}) }",
            " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(400)) + "{ ...F0 }",
        ],
        ids=["fields", "aliases", "directives", "doubling", "literals", "chain"],
    )
    def test_a_hostile_document_is_measured_in_no_time(self, query: str):
        document = parse(query)
        took_ms = []
        for _ in range(5):  # the machine may be busy with other things
            began_s = time.perf_counter()
            measure(document, schema(), Sizes(), 25)
            took_ms.append((time.perf_counter() - began_s) * 1_000)
        assert min(took_ms) < 25


class TestVariables:
    def test_only_numbers_and_lists_are_sizes(self):
        assert page_sizes({"b": 2, "a": 1, "t": True, "s": "x", "l": [1], "o": {"x": 1}, "n": None}) == Sizes(
            (("a", 1), ("b", 2)), (("l", 1),)
        )

    @pytest.mark.parametrize(
        ("variables", "count"),
        [({}, 0), ({"a": 1}, 1), ({"a": [1, 2]}, 3), ({"a": {"b": [{"c": 1}]}}, 4), (None, 0)],
    )
    def test_values_are_counted_with_all_that_is_in_them(self, variables: object, count: int):
        assert not has_more_values(variables, count)
        assert count == 0 or has_more_values(variables, count - 1)

    def test_a_hundred_thousand_levels_need_no_stack(self):
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        assert has_more_values(deep, 50_000)


def written_out(document: DocumentNode) -> int:
    """Fields, counted by following every spread anew, as nobody should with documents of strangers."""
    fragments = {
        part.name.value: part.selection_set for part in document.definitions if hasattr(part, "type_condition")
    }

    def fields(selections: SelectionSetNode) -> int:
        count = 0
        for one in selections.selections:
            if isinstance(one, FragmentSpreadNode):
                count += fields(fragments[one.name.value])
            elif isinstance(one, InlineFragmentNode):
                count += fields(one.selection_set)
            elif isinstance(one, FieldNode):
                count += 1 + (fields(one.selection_set) if one.selection_set else 0)
        return count

    (operation,) = (part for part in document.definitions if isinstance(part, OperationDefinitionNode))
    return fields(operation.selection_set)


def _document(random: Random) -> str:
    """A document whose fragments spread only later ones, each at least once."""
    count = random.randint(0, 6)

    def selections(level: int, at: int) -> str:
        parts = ["x"]
        for _ in range(random.randint(0, 3)):
            match random.randint(0, 3):
                case 0:
                    parts.append(random.choice(("x", "a: y", "z @skip(if: true)")))
                case 1 if level < 3:
                    parts.append(f"f {{ {selections(level + 1, at)} }}")
                case 2 if level < 3:
                    parts.append(f"... {{ {selections(level + 1, at)} }}")
                case _ if at < count:
                    parts.append(f"...F{random.randint(at, count - 1)}")
        return " ".join(parts)

    fragments = [f"fragment F{n} on Query {{ {selections(0, n + 1)} }}" for n in range(count)]
    spreads = " ".join(f"...F{n}" for n in range(count))
    return f"{{ {selections(0, 0)} {spreads} }} {' '.join(fragments)}"


@given(st.integers(0, 2**32))
def test_one_walk_counts_what_following_every_spread_counts(seed: int):
    document = parse(_document(Random(seed)))
    assert measure(document, schema(), Sizes(), 25).extent.fields == written_out(document)
