"""Who may do what. Visibility is not decided here: what a viewer may not see is absent from every read."""

from domain.errors import Forbidden
from domain.models.access import Permission, Viewer


def require(viewer: Viewer, *permissions: Permission) -> None:
    """Raises `Forbidden` naming the first missing permission."""
    for permission in permissions:
        if permission not in viewer.permissions:
            raise Forbidden(permission)
