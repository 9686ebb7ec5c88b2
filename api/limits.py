"""How much one client may ask for. Each bound is a setting: `api/settings.py` gives it its name and its meaning."""

from msgspec import Struct


class DocumentLimits(Struct, frozen=True):
    """Bounds of one GraphQL document with its variables, and of its answer."""

    max_characters: int = 32_768
    max_tokens: int = 3_000
    max_definitions: int = 100
    max_depth: int = 25
    max_fields: int = 1_000
    max_repeats: int = 100
    max_aliases: int = 100
    max_directives: int = 100
    max_introspections: int = 3
    max_literals: int = 500
    max_cost: int = 50_000_000
    max_variable_values: int = 20_000
    max_answer_values: int = 100_000


DEFAULT_LIMITS = DocumentLimits()
