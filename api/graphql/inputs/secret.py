"""Secrets on their way inward."""

import strawberry

from domain.models import secret as domain
from domain.models.secret import SecretLiteral, SecretReference


@strawberry.input(description="Where a configured store keeps a secret.")
class SecretReferenceInput:
    """A secret in another store."""

    store: str = strawberry.field(description="The store: `env` or `file`.")
    locator: str = strawberry.field(
        description="Where in it: a variable that begins with `HEADWATER_SECRET_`, or a file in the secret folder."
    )
    field: str | None = strawberry.field(
        default=strawberry.UNSET, description="Which value, where the secret is a JSON object of several."
    )


@strawberry.input(
    description="A secret: typed, or a reference to where it is kept. It only ever goes inward.", one_of=True
)
class SecretInput:
    """A secret."""

    literal: str | None = strawberry.field(
        default=strawberry.UNSET, description="The secret itself; it is kept encrypted."
    )
    reference: SecretReferenceInput | None = strawberry.field(
        default=strawberry.UNSET, description="Where it is kept; it is fetched when it is needed."
    )


def secret(value: SecretInput) -> domain.SecretInput:
    """The domain's form of it."""
    if value.literal is not strawberry.UNSET and value.literal is not None:
        return SecretLiteral(value.literal)
    reference = value.reference
    assert reference is not None  # @oneOf: exactly one is given, and not null
    return SecretReference(reference.store, reference.locator, reference.field or None)
