"""How much one document may ask for."""

from collections.abc import Iterator

from strawberry.extensions import SchemaExtension

MAX_TOKENS = 10_000
MAX_OBJECTS = 20_000  # on all pages of one answer: a document may lead in circles, where each turn multiplies


class BoundedDocument(SchemaExtension):
    """A document of more tokens is refused while it is read."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield
