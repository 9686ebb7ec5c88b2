from domain.models.data_source import Pool
from domain.models.secret import SealedSecret, SecretLiteral, StoredSecret
from domain.ports.connector import Target


def test_no_secret_is_shown() -> None:
    sealed = SealedSecret("key-1", b"hunter2", b"hunter2")
    target = Target(settings={"host": "hunter2"}, secrets={"password": "hunter2"}, pool=Pool())
    for holder in (SecretLiteral("hunter2"), sealed, StoredSecret("password", 1, sealed), target):
        for shown in (repr(holder), str(holder), f"{holder}", repr([holder])):
            assert "hunter2" not in shown
