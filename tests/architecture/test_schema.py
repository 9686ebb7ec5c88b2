"""Rules about the contract with clients."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    parse,
    validate,
)

from api.graphql.schema import build_schema as build_headwater_schema
from api.graphql.schema import federated_sdl, schema_text

REPOSITORY = Path(__file__).resolve().parents[2]
TYPES = REPOSITORY / "api" / "graphql"

RESOLVER_MAKERS = {"field", "mutation", "subscription"}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_headwater_schema()._schema


def test_the_committed_schema_is_the_one_that_is_served():
    committed = (REPOSITORY / "schema.graphql").read_text("utf-8")
    assert committed == schema_text(), "run `make schema` and read the difference"


def _own_types(schema: GraphQLSchema) -> Iterator[GraphQLNamedType]:
    """All but those of the specifications of GraphQL and of federation."""
    builtin = {"Boolean", "Float", "ID", "Int", "String"}
    for name, type_ in schema.type_map.items():
        if name not in builtin and not name.startswith(("_", "federation__", "link__")):
            yield type_


def test_everything_is_described(schema: GraphQLSchema):
    silent: list[str] = []
    for type_ in _own_types(schema):
        if not type_.description:
            silent.append(type_.name)
        if isinstance(type_, GraphQLEnumType):
            silent += [f"{type_.name}.{name}" for name, value in type_.values.items() if not value.description]
        if isinstance(type_, GraphQLInputObjectType):
            silent += [f"{type_.name}.{name}" for name, field in type_.fields.items() if not field.description]
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                if name.startswith("_"):
                    continue
                if not field.description:
                    silent.append(f"{type_.name}.{name}")
                silent += [f"{type_.name}.{name}({arg}:)" for arg, of in field.args.items() if not of.description]
    assert not silent, f"say what these are: {silent}"


def test_roots_of_reading_are_nullable(schema: GraphQLSchema):
    """One failure does not null the page."""
    assert schema.query_type is not None
    needed = [
        name
        for name, field in schema.query_type.fields.items()
        if str(field.type).endswith("!") and not name.startswith("_")
    ]
    assert not needed


def test_stored_input_fields_have_no_default():
    """Absent is the service's default on create, and unchanged on update."""
    printed = schema_text()
    for name in ("DataSourceInput", "DataSourcePatch", "PoolInput", "PostgresqlInput", "ScopeInput", "TlsInput"):
        definition = printed.split(f"input {name} {{", 1)[1].split("\n}", 1)[0]
        assert [line for line in definition.splitlines() if line.startswith("  ") and " = " in line] == []


def _resolvers(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"), str(module))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            map(_makes_a_resolver, node.decorator_list)
        ):
            yield node


def _makes_a_resolver(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in RESOLVER_MAKERS


def _is_constant(value: ast.expr | None) -> bool:
    match value:
        case None | ast.Constant():
            return True
        case ast.List(elts) | ast.Tuple(elts) | ast.Set(elts):
            return all(map(_is_constant, elts))
        case ast.Dict(keys, values):
            return all(map(_is_constant, (*keys, *values)))
        case ast.UnaryOp(operand=operand):
            return _is_constant(operand)
    return False


@pytest.mark.parametrize("module", [str(path.relative_to(REPOSITORY)) for path in sorted(TYPES.rglob("*.py"))])
def test_no_resolver_is_a_constant(module: str):
    """A field whose data nothing fills is not in the schema."""
    constant = []
    for resolver in _resolvers(REPOSITORY / module):
        returns = [node for node in ast.walk(resolver) if isinstance(node, ast.Return)]
        if returns and all(_is_constant(one.value) for one in returns):
            constant.append(resolver.name)
    assert not constant, f"{module}: {constant}"


def test_a_resolver_that_is_a_constant_is_noticed(tmp_path: Path):
    module = tmp_path / "types.py"
    module.write_text(
        "import strawberry\n"
        "class A:\n"
        "    @strawberry.field(description='x')\n"
        "    def one(self) -> list[int]:\n"
        "        return [1, -2]\n"
    )
    (found,) = _resolvers(module)
    assert all(_is_constant(one.value) for one in ast.walk(found) if isinstance(one, ast.Return))


def test_the_federated_schema_is_valid_and_leaves_the_roots_of_nodes_to_others():
    sdl = federated_sdl()
    assert 'url: "https://specs.apollo.dev/federation/v2.9"' in sdl
    assert "directive @oneOf on INPUT_OBJECT" in sdl
    definitions = (
        "directive @link(url: String!, import: [String!]) repeatable on SCHEMA\n"
        "scalar FieldSet\n"
        "directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE\n"
        "directive @shareable on OBJECT | FIELD_DEFINITION\n"
    )
    composed = build_schema(definitions + sdl)
    assert composed.query_type is not None
    assert {"dataSource", "dataSources", "byFqn"} <= composed.query_type.fields.keys()
    assert not {"node", "nodes"} & composed.query_type.fields.keys()
    for name in ("DataSource", "Namespace", "Table", "Column"):
        assert f'type {name} implements CatalogNode & Node @key(fields: "id") @key(fields: "fqn")' in sdl


@pytest.mark.parametrize("page", ["README.md"])
def test_the_documents_of_pages_fit_the_schema(page: str, schema: GraphQLSchema):
    blocks = re.findall(r"```graphql\n(.*?)```", (REPOSITORY / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    assert [validate(schema, parse(block)) for block in blocks] == [[]] * len(blocks)
