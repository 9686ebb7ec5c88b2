"""What a viewer may see, as one SQL predicate that every statement about sources carries."""

from sqlalchemy import ColumnElement, and_, exists, or_, select

from domain.models.access import Scope, Viewer
from domain.models.data_source import Sensitivity
from persistence.tables.data_sources import data_sources
from persistence.tables.operations import operations


def visible(scope: Scope) -> ColumnElement[bool]:
    """Over a row of `data_sources`: it lives, and satisfies every bound of the scope (`Scope.allows`, in SQL)."""
    bounds: list[ColumnElement[bool]] = [data_sources.c.deleted_at.is_(None)]
    if scope.data_sources is not None:
        bounds.append(data_sources.c.id.in_(sorted(scope.data_sources)))
    if scope.environments is not None:
        bounds.append(data_sources.c.environment.in_(sorted(scope.environments)))
    if scope.sensitivity_ceiling is not None:
        ceiling = scope.sensitivity_ceiling.rank
        bounds.append(data_sources.c.sensitivity.in_([level for level in Sensitivity if level.rank <= ceiling]))
    return and_(*bounds)


def has_visible_source(data_source_id: ColumnElement[str], scope: Scope) -> ColumnElement[bool]:
    """Over a row of any table that names its source."""
    return exists(select(data_sources.c.id).where(data_sources.c.id == data_source_id, visible(scope)))


def visible_operation(viewer: Viewer) -> ColumnElement[bool]:
    """Over a row of `operations`: its source is visible; without a source (a draft under test), only to its actor."""
    of_visible_source = has_visible_source(operations.c.data_source_id, viewer.scope)
    without_source: ColumnElement[bool] = operations.c.data_source_id.is_(None)
    if viewer.kind != "system":  # Headwater itself runs everybody's
        without_source = and_(without_source, operations.c.actor == viewer.name)
    return or_(of_visible_source, without_source)
