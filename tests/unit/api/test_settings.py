from pathlib import Path

import pytest

from api.settings import Settings, load
from domain.errors import StartRefused

KEY = "a-key-of-sixteen-characters-or-more"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEADWATER_{name.upper()}", raising=False)


def test_every_setting_says_what_it_means():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_command_line_goes_before_the_environment_and_the_environment_before_defaults(
    monkeypatch: pytest.MonkeyPatch,
):
    assert load().port == 8000
    monkeypatch.setenv("HEADWATER_PORT", "9000")
    assert load(port=None).port == 9000
    assert load(port=7000).port == 7000


def test_an_unknown_name_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATER_PROT", "9000")
    with pytest.raises(StartRefused, match=r"no setting called HEADWATER_PROT.*HEADWATER_PORT"):
        load()


def test_secrets_that_sources_refer_to_are_no_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATER_SECRET_WAREHOUSE", "x")
    load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("ADMIN_KEY", "too-short"),
        ("ADMIN_KEY", "sixteen blanks and words"),
        ("ADMIN_KEY", "ключ-из-кириллицы"),
        ("LOG_LEVEL", "loud"),
        ("HEALTH_KEPT_DAYS", "0"),
    ],
)
def test_a_value_outside_its_bounds_is_refused_by_name_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(f"HEADWATER_{name}", value)
    with pytest.raises(StartRefused, match=f"HEADWATER_{name}: ") as refusal:
        load()
    assert value not in str(refusal.value)


def test_secrets_print_as_stars():
    shown = repr(load(admin_key=KEY, encryption_key=KEY, database_url=f"postgresql+asyncpg://u:{KEY}@db/x"))
    assert KEY not in shown


@pytest.mark.parametrize(
    ("given", "embedded"),
    [
        ({}, True),
        ({"host": "::ffff:127.0.0.1"}, True),
        ({"host": "0.0.0.0"}, False),  # noqa: S104
        ({"admin_key": KEY}, False),
        ({"database_url": "postgresql+asyncpg://db/x"}, False),
    ],
)
def test_what_counts_as_the_set_up_of_one_person(given: dict[str, str], embedded: bool):
    assert load(**given).is_embedded is embedded


def test_the_store_and_its_key_lie_in_the_data_folder(tmp_path: Path):
    settings = load(data_dir=tmp_path)
    assert settings.store_url == f"sqlite+aiosqlite:///{tmp_path}/headwater.sqlite"
    assert {path.parent for path in settings.own_files} == {tmp_path}


def test_the_demo_is_checked_more_often_unless_somebody_chose():
    assert load(demo=True).check_every_s == 5.0
    assert load(demo=True, health_interval_s=60.0).check_every_s == 60.0
    assert load().check_every_s == load().health_interval_s


def test_folders_are_separated_by_colons(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATER_FILE_ROOTS", "/data:/more")
    assert load().file_roots == (Path("/data"), Path("/more"))


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWATER_ALLOWED_ORIGINS", "https://app.example.com, http://localhost:5173")
    assert load().allowed_origins == ("https://app.example.com", "http://localhost:5173")


@pytest.mark.parametrize(
    "origin", ["*", "app.example.com", "https://app.example.com/", "HTTPS://APP.example.com", "null"]
)
def test_what_no_browser_says_is_no_origin(monkeypatch: pytest.MonkeyPatch, origin: str):
    monkeypatch.setenv("HEADWATER_ALLOWED_ORIGINS", origin)
    with pytest.raises(StartRefused, match="HEADWATER_ALLOWED_ORIGINS"):
        load()
