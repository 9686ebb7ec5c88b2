from domain.models.discovery import Comparison


def test_a_comparison_is_empty_when_nothing_would_be_published() -> None:
    assert Comparison(current=7, added=0, modified=0, removed=0, namespaces_changed=0).is_empty
    assert not Comparison(current=7, added=0, modified=0, removed=0, namespaces_changed=1).is_empty
    assert not Comparison(current=7, added=0, modified=0, removed=1, namespaces_changed=0).is_empty
