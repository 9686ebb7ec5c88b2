"""What a connection test speaks to."""

from msgspec import Struct

from domain.models.registration import DataSourceInput, DataSourcePatch


class StoredTarget(Struct, frozen=True):
    """A registered source as it is."""

    data_source_id: str


class DraftTarget(Struct, frozen=True):
    """A source that is not registered yet."""

    draft: DataSourceInput


class ChangedTarget(Struct, frozen=True):
    """A registered source as it would be after a change."""

    data_source_id: str
    patch: DataSourcePatch


TestTarget = StoredTarget | DraftTarget | ChangedTarget
