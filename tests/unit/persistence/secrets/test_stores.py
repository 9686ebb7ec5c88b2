"""The stores `env` and `file`: only what the operator set apart, and no path or secret in what is said."""

import os
from pathlib import Path

import pytest

from domain.errors import InvalidInput, Unavailable
from domain.models.secret import SecretReference
from persistence.secrets.stores import MAX_SECRET_BYTES, ConfiguredStores

ENVIRONMENT = {
    "HEADWATER_SECRET_SHOP": "hunter2",
    "HEADWATER_SECRET_DOCUMENT": '{"user": "ada", "password": "pä\\"ss", "port": 5432}',
    "HEADWATER_SECRET_DIR": "/somewhere",
    "HEADWATER_SECRET_EMPTY": "",
    "HEADWATER_ADMIN_KEY": "the operator's own",
    "HOME": "/root",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A secret folder as Kubernetes mounts it, with things beside it and links out of it."""
    (tmp_path / "outside.txt").write_text("not yours")
    place = tmp_path / "secrets"
    (place / "..data_1").mkdir(parents=True)
    (place / "..data_1" / "shop").write_text("from the mount\n")
    (place / "..data").symlink_to("..data_1")
    (place / "shop").symlink_to("..data/shop")
    (place / "team").mkdir()
    (place / "team" / "crm.json").write_text('{"password": "s3"}')
    (place / "leak").symlink_to(tmp_path / "outside.txt")
    (place / "out").symlink_to(tmp_path)
    (place / "loop").symlink_to("loop")
    (place / "passwd").symlink_to("/etc/passwd")
    (place / "binary").write_bytes(b"\xff\xfe")
    (place / "big").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    os.mkfifo(place / "pipe")
    return place


@pytest.fixture
def stores(folder: Path) -> ConfiguredStores:
    return ConfiguredStores(ENVIRONMENT, folder)


async def test_what_is_set_apart_is_fetched(stores: ConfiguredStores) -> None:
    wanted = {
        SecretReference("env", "HEADWATER_SECRET_SHOP"): "hunter2",
        SecretReference("env", "HEADWATER_SECRET_DOCUMENT", "password"): 'pä"ss',
        SecretReference("file", "shop"): "from the mount",
        SecretReference("file", "..data/shop"): "from the mount",
        SecretReference("file", "team/crm.json", "password"): "s3",
    }
    for reference, secret in wanted.items():
        stores.check(reference)
        assert await stores.fetch(reference) == secret


@pytest.mark.parametrize(
    "reference",
    [
        SecretReference("env", "HOME"),
        SecretReference("env", "HEADWATER_ADMIN_KEY"),
        SecretReference("env", "HEADWATER_SECRET_"),
        SecretReference("env", "HEADWATER_SECRET_DIR"),
        SecretReference("env", "headwater_secret_shop"),
        SecretReference("env", "XHEADWATER_SECRET_SHOP"),
        SecretReference("env", "HEADWATER_SECRET_SHOP\n"),
        SecretReference("env", ""),
        SecretReference("file", ""),
        SecretReference("file", "."),
        SecretReference("file", "/etc/passwd"),
        SecretReference("file", "../outside.txt"),
        SecretReference("file", "team/../../outside.txt"),
        SecretReference("file", "team/.."),
        SecretReference("file", "..\\outside.txt"),
        SecretReference("file", "shop\0.txt"),
        SecretReference("file", "x" * 2000),
        SecretReference("vault", "shop"),
        SecretReference("ENV", "HEADWATER_SECRET_SHOP"),
        SecretReference("", ""),
    ],
)
async def test_anything_else_is_refused_without_a_look(stores: ConfiguredStores, reference: SecretReference) -> None:
    with pytest.raises(InvalidInput) as caught:
        stores.check(reference)
    assert "/" not in str(caught.value)
    with pytest.raises(InvalidInput):
        await stores.fetch(reference)


@pytest.mark.parametrize(
    "reference",
    [
        SecretReference("env", "HEADWATER_SECRET_MISSING"),
        SecretReference("env", "HEADWATER_SECRET_EMPTY"),
        SecretReference("env", "HEADWATER_SECRET_SHOP", "password"),
        SecretReference("env", "HEADWATER_SECRET_DOCUMENT", "missing"),
        SecretReference("env", "HEADWATER_SECRET_DOCUMENT", "port"),
        SecretReference("file", "missing"),
        SecretReference("file", "leak"),
        SecretReference("file", "out/outside.txt"),
        SecretReference("file", "out/secrets/leak"),
        SecretReference("file", "passwd"),
        SecretReference("file", "loop"),
        SecretReference("file", "team"),
        SecretReference("file", "pipe"),
        SecretReference("file", "big"),
        SecretReference("file", "binary"),
        SecretReference("file", "shop/below"),
    ],
)
async def test_what_is_not_there_or_leads_out_is_unavailable(
    stores: ConfiguredStores, folder: Path, reference: SecretReference
) -> None:
    with pytest.raises(Unavailable, match="SECRET_UNAVAILABLE") as caught:
        await stores.fetch(reference)
    said = str(caught.value.problem)
    for hidden in (str(folder), "not yours", "hunter2", "ada", 'pä"ss', reference.locator):
        assert hidden not in said


async def test_without_a_folder_there_is_no_file_store() -> None:
    with pytest.raises(InvalidInput):
        ConfiguredStores({}, None).check(SecretReference("file", "shop"))


async def test_a_folder_that_is_itself_a_link_serves(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert await ConfiguredStores({}, tmp_path / "link").fetch(SecretReference("file", "shop")) == "from the mount"
