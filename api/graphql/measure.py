"""How much one document may ask for: one rule, walked once, before any other rule looks at the document.

The stock limiters of depth and aliases follow every spread of a fragment anew, which takes exponential time where
fragments spread each other twice; so do rules that compare fields pair by pair, in quadratic time, where thousands are
the same. Here each fragment is measured once, and its measure is added wherever it is spread.
"""

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_interface_type,
    is_list_type,
    is_object_type,
)

from api.limits import DocumentLimits

# Arguments that say how many items a field answers with; a list of keys is answered item by item.
_PAGE_SIZES = ("first", "last")
_ASSUMED_SIZE = 10  # where a document does not say: most lists are shorter than the largest page
_VALUES_OF_PAGE = 10  # what a page costs beside its items, in values
_REPEATED_OBJECT = 5  # as many repetitions of one name: what is asked of both is compared too, pair by pair
_INTROSPECTIONS = frozenset({"__schema", "__type"})

# Fragments in fragments are levels too for whoever walks them, though not of fields.
_STEPS_PER_LEVEL = 4
_MAX_DIGITS = 9


_Directed = OperationDefinitionNode | FragmentDefinitionNode | VariableDefinitionNode | SelectionNode


class Sizes(NamedTuple):
    """What variables can say about page sizes: the whole numbers among them, and the lengths of lists, by name."""

    numbers: tuple[tuple[str, int], ...] = ()
    lengths: tuple[tuple[str, int], ...] = ()


class Extent:
    """How much a selection asks for, every fragment taken in wherever it is spread.

    `fields` counts what is written, `cost` what could be answered: a field once for each item of the pages around it.
    `values` is the part of `cost` that belongs to one item: up to, and not into, the lists in it. `listed` counts what
    lists in variables hold, wherever they are used.
    """

    __slots__ = (
        "aliases",
        "cost",
        "depth",
        "directives",
        "fields",
        "introspections",
        "listed",
        "literals",
        "repeats",
        "values",
    )

    def __init__(self) -> None:
        self.depth = self.fields = self.repeats = self.aliases = self.directives = 0
        self.introspections = self.literals = self.listed = self.cost = self.values = 0

    def add(self, inner: "Extent", *, levels: int = 0, size: int = 1, is_list: bool = False) -> None:
        """Takes in what lies so many levels below, and is answered `size` times; `is_list`: item by item."""
        self.depth = max(self.depth, inner.depth + levels)
        self.fields += inner.fields
        self.repeats += inner.repeats
        self.aliases += inner.aliases
        self.directives += inner.directives
        self.introspections += inner.introspections
        self.literals += inner.literals
        self.listed += inner.listed
        self.cost += inner.cost * size
        self.values += 0 if is_list else inner.values


class Measure(NamedTuple):
    """Of a whole document: its extent, how many operations and fragments it has, and the values of one item of a field.

    These by the `id` of the field's node, which lives as long as the document.
    """

    extent: Extent
    definitions: int
    values_per_item: Mapping[int, int]


def measure(document: DocumentNode, schema: GraphQLSchema, sizes: Sizes, max_depth: int) -> Measure:
    """Each field and each fragment is looked at once; the names of a fragment's fields once more wherever it is spread.

    What lies far deeper than `max_depth` is not looked at: its depth says enough.
    """
    return _Walk(document, schema, sizes, max_depth).measured()


def excess(measure: Measure, limits: DocumentLimits) -> str | None:
    """Which bound the document is over, in a sentence; None where it is within all."""
    extent = measure.extent
    for measured, most, what in (
        (measure.definitions, limits.max_definitions, "operations and fragments"),
        (extent.depth, limits.max_depth, "levels of fields"),
        (extent.fields, limits.max_fields, "fields, with all fragments spread"),
        (extent.repeats, limits.max_repeats, "repetitions of fields"),
        (extent.aliases, limits.max_aliases, "aliases"),
        (extent.directives, limits.max_directives, "directives"),
        (extent.introspections, limits.max_introspections, "looks at the schema"),
        (extent.literals, limits.max_literals, "values written into it (use variables)"),
        (extent.listed, limits.max_variable_values, "items in the lists that its arguments get from variables"),
        (extent.cost, limits.max_cost, "values in its answer, by its page sizes"),
    ):
        if measured > most:
            return f"A document has at most {most} {what}."
    return None


def too_complex(message: str, path: list[str | int] | None = None) -> GraphQLError:
    """The refusal of what asks for too much; with a path, where an answer had become too large."""
    return GraphQLError(message, path=path, extensions={"code": "TOO_COMPLEX"})


def page_sizes(variables: Mapping[str, Any]) -> Sizes:
    """The sizes in these variables. The same for all that can differ only in other things."""
    return Sizes(
        tuple(sorted((name, value) for name, value in variables.items() if type(value) is int)),
        tuple(sorted((name, len(value)) for name, value in variables.items() if isinstance(value, list))),
    )


def has_more_values(variables: object, most: int) -> bool:
    """Whether variables hold more than `most` values, lists and objects with all that is in them."""
    left, pending = most, [variables]
    while pending:
        value = pending.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        left -= len(inner)
        if left < 0:
            return True
        pending.extend(inner)
    return False


class _Walk:
    """One walk over one document. Recursive: the parser has refused documents that are nested for the sake of it."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema, sizes: Sizes, max_depth: int) -> None:
        self._schema = schema
        self._numbers, self._lengths = dict(sizes.numbers), dict(sizes.lengths)
        self._max_depth = max_depth
        self._operations = [part for part in document.definitions if isinstance(part, OperationDefinitionNode)]
        self._fragments = {
            part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)
        }
        self._known: dict[str, tuple[Extent, frozenset[str]]] = {}
        self._under_way: set[str] = set()
        self._values_per_item: dict[int, int] = {}

    def measured(self) -> Measure:
        total = Extent()
        for operation in self._operations:
            for variable in operation.variable_definitions or ():
                self._directives(variable, total)
                total.literals += 0 if variable.default_value is None else _literals(variable.default_value)
            self._directives(operation, total)
            total.add(self._selections(operation.selection_set, self._schema.get_root_type(operation.operation), 0)[0])
        for name in self._fragments.keys() - self._known.keys():  # spread nowhere, and validated all the same
            total.add(self._fragment(name, 0)[0])
        return Measure(total, len(self._operations) + len(self._fragments), self._values_per_item)

    def _selections(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None, level: int
    ) -> tuple[Extent, frozenset[str]]:
        """The extent of a selection set, and the names its fields are answered under (objects: with `{`)."""
        total, names = Extent(), set[str]()
        if level > self._max_depth * _STEPS_PER_LEVEL:
            total.depth = self._max_depth + 1
            return total, frozenset()
        for selection in selections.selections:
            if selection.directives:
                self._directives(selection, total)
            if isinstance(selection, FieldNode):
                self._field(selection, parent, level, total)
                name = (selection.alias or selection.name).value + ("{" if selection.selection_set else "")
                total.repeats += _repeats({name} & names)
                names.add(name)
                continue
            if isinstance(selection, InlineFragmentNode):
                inner, added = self._selections(selection.selection_set, self._narrowed(selection, parent), level + 1)
            else:
                assert isinstance(selection, FragmentSpreadNode)
                inner, added = self._fragment(selection.name.value, level + 1)
            total.add(inner)
            total.repeats += _repeats(names & added)
            names |= added
        return total, frozenset(names)

    def _field(self, field: FieldNode, parent: GraphQLNamedType | None, level: int, total: Extent) -> None:
        """Adds the field with all below it."""
        name = field.name.value
        total.depth = max(total.depth, 1)
        total.fields += 1
        total.cost += 1
        total.values += 1
        total.aliases += field.alias is not None
        total.introspections += name in _INTROSPECTIONS
        for argument in field.arguments or ():
            total.literals += _literals(argument.value)
            total.listed += self._listed(argument.value)
        if field.selection_set:
            definition = parent.fields.get(name) if is_object_type(parent) or is_interface_type(parent) else None
            type_ = get_named_type(definition.type) if definition else None
            is_list = definition is not None and is_list_type(get_nullable_type(definition.type))
            size = self._size(field, definition.args if definition else {})
            inner, _ = self._selections(field.selection_set, type_, level + 1)
            if is_list:
                self._values_per_item[id(field)] = 1 + inner.values
            total.values += 0 if size is None else _VALUES_OF_PAGE
            total.add(inner, levels=1, size=1 if size is None else size, is_list=is_list)

    def _listed(self, value: ValueNode) -> int:
        if isinstance(value, VariableNode):
            return self._lengths.get(value.name.value, 0)
        inner = value.values if isinstance(value, ListValueNode) else ()
        if isinstance(value, ObjectValueNode):
            inner = tuple(field.value for field in value.fields)
        return sum(map(self._listed, inner))

    def _directives(self, node: _Directed, total: Extent) -> None:
        for directive in node.directives or ():
            total.directives += 1
            total.literals += sum(_literals(argument.value) for argument in directive.arguments or ())

    def _size(self, field: FieldNode, arguments: Mapping[str, Any]) -> int | None:
        """How many items the field answers with at most; None for a field that answers with one, or with few."""
        given = {argument.name.value: argument.value for argument in field.arguments or ()}
        for name in _PAGE_SIZES:
            if name in arguments:
                return self._number(given.get(name))
        lengths = [size for value in given.values() if (size := self._length(value)) is not None]
        return max(lengths, default=None)

    def _number(self, value: ValueNode | None) -> int:
        if isinstance(value, IntValueNode):
            return abs(int(value.value)) if len(value.value) <= _MAX_DIGITS else 0  # longer ones are no Int
        if isinstance(value, VariableNode):
            return abs(self._numbers.get(value.name.value, _ASSUMED_SIZE))
        return _ASSUMED_SIZE

    def _length(self, value: ValueNode) -> int | None:
        if isinstance(value, ListValueNode):
            return len(value.values)
        return self._lengths.get(value.name.value) if isinstance(value, VariableNode) else None

    def _narrowed(self, fragment: InlineFragmentNode, parent: GraphQLNamedType | None) -> GraphQLNamedType | None:
        condition = fragment.type_condition
        return parent if condition is None else self._schema.get_type(condition.name.value)

    def _fragment(self, name: str, level: int) -> tuple[Extent, frozenset[str]]:
        """As `_selections`; nothing for one that does not exist or spreads itself, which other rules refuse."""
        if name in self._under_way or name not in self._fragments:
            return Extent(), frozenset()
        if name not in self._known:
            fragment = self._fragments[name]
            self._under_way.add(name)
            type_ = self._schema.get_type(fragment.type_condition.name.value)
            extent, names = self._selections(fragment.selection_set, type_, level)
            self._under_way.discard(name)
            self._directives(fragment, extent)
            self._known[name] = extent, names
        return self._known[name]


def _repeats(names: Set[str]) -> int:
    """What it weighs that these are asked for again."""
    return sum(_REPEATED_OBJECT if name.endswith("{") else 1 for name in names)


def _literals(value: ValueNode) -> int:
    """How many values are written there, lists and objects with all that is in them."""
    if isinstance(value, ListValueNode):
        return 1 + sum(_literals(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return 1 + sum(_literals(field.value) for field in value.fields)
    return 1
