import pytest
from starlette.requests import HTTPConnection

from api.web.answers import Refused
from api.web.auth import Gate, check_binding, is_local_host, is_local_origin
from domain.errors import StartRefused
from domain.models.access import Permission, Scope

KEY = "a-key-of-sixteen-characters-or-more"


def connection(
    headers: dict[str, str] | None = None, *, peer: str | None = "127.0.0.1", port: int = 8000, kind: str = "http"
) -> HTTPConnection:
    given = {"host": f"localhost:{port}"} | (headers or {})
    return HTTPConnection(
        {
            "type": kind,
            "scheme": "http" if kind == "http" else "ws",
            "server": ("127.0.0.1", port),
            "client": (peer, 50_000) if peer else None,
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
    )


def status_of(gate: Gate, asked: HTTPConnection) -> int:
    try:
        gate.admit(asked)
    except Refused as refused:
        return refused.status
    return 200


class TestWithoutKey:
    gate = Gate(None)

    def test_this_machines_user_is_admin(self):
        viewer = self.gate.admit(connection())
        assert (viewer.name, viewer.kind) == ("local admin", "local")
        assert viewer.permissions == frozenset(Permission)
        assert viewer.scope == Scope()

    @pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])
    def test_own_names_are_served(self, host: str):
        assert status_of(self.gate, connection({"host": host})) == 200

    @pytest.mark.parametrize(
        "host",
        [
            "rebound.example:8000",
            "localhost",  # port 80
            "localhost:9000",
            "localhost.example:8000",
            "127.0.0.1.example:8000",
            "user@localhost:8000",
            "localhost:8000@rebound.example",
            "localhost:8000, rebound.example",
            "127.0.0.2:8000",
            "",
            "localhost:",
            "[::1",
            "localhost:99999999",
        ],
    )
    def test_foreign_names_are_not(self, host: str):
        assert status_of(self.gate, connection({"host": host})) == 403

    @pytest.mark.parametrize("peer", ["10.0.0.9", "203.0.113.5", "::ffff:10.0.0.9", None])
    def test_other_machines_are_refused(self, peer: str | None):
        assert status_of(self.gate, connection(peer=peer)) == 403

    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
    def test_loopback_has_many_spellings(self, peer: str):
        assert status_of(self.gate, connection(peer=peer)) == 200

    @pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"])
    def test_what_came_through_a_proxy_is_not_local(self, header: str):
        assert status_of(self.gate, connection({header: "127.0.0.1"})) == 403

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("http://localhost:8000", 200),
            ("http://127.0.0.1:8000", 200),
            ("http://[::1]:8000", 200),
            ("null", 403),
            ("http://localhost:3000", 403),
            ("http://localhost", 403),
            ("https://evil.example", 403),
            ("http://localhost:8000.evil.example", 403),
            ("file://localhost:8000", 403),
            ("", 403),
        ],
    )
    def test_pages_of_other_origins_are_refused(self, origin: str, status: int):
        assert status_of(self.gate, connection({"origin": origin})) == status

    def test_cross_site_requests_without_origin_are_refused(self):
        assert status_of(self.gate, connection({"sec-fetch-site": "cross-site"})) == 403
        assert status_of(self.gate, connection({"sec-fetch-site": "same-origin"})) == 200

    def test_sockets_are_checked_at_the_handshake(self):
        self.gate.check_handshake(connection(kind="websocket"))
        with pytest.raises(Refused):
            self.gate.check_handshake(connection({"origin": "http://evil.example"}, kind="websocket"))
        assert self.gate.admit_socket(connection(kind="websocket"), None).name == "local admin"


class TestWithKey:
    gate = Gate(KEY)

    def test_the_key_lets_in_from_anywhere(self):
        viewer = self.gate.admit(
            connection({"authorization": f"Bearer {KEY}", "host": "headwater.example"}, peer="203.0.113.5")
        )
        assert (viewer.name, viewer.kind) == ("admin", "key")

    @pytest.mark.parametrize(
        "authorization",
        [None, "", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer ключ", f"Bearer {KEY[:-1]}"],
    )
    def test_nothing_else_does(self, authorization: str | None):
        asked = connection({} if authorization is None else {"authorization": authorization})
        with pytest.raises(Refused) as refusal:
            self.gate.admit(asked)
        assert refusal.value.status == 401
        assert refusal.value.headers == {"WWW-Authenticate": "Bearer"}
        assert KEY not in str(refusal.value)

    def test_a_socket_shows_it_in_the_payload_or_the_handshake(self):
        bare = connection(kind="websocket")
        shown = connection({"authorization": f"Bearer {KEY}"}, kind="websocket")
        assert self.gate.admit_socket(bare, {"authorization": f"Bearer {KEY}"}).kind == "key"
        assert self.gate.admit_socket(shown, None).kind == "key"
        for payload in (None, {}, {"authorization": "Bearer wrong"}, {"authorization": 7}, {"authorization": None}):
            with pytest.raises(Refused):
                self.gate.admit_socket(bare, payload)
        with pytest.raises(Refused):
            self.gate.admit_socket(shown, {"authorization": "Bearer wrong"})

    @pytest.mark.parametrize(
        "payload",
        [
            {"Authorization": f"Bearer {KEY}"},
            {"AUTHORIZATION": f"bearer {KEY}"},
            {"headers": {"Authorization": f"Bearer {KEY}"}},
            {"Headers": {"authorization": f"Bearer {KEY}"}},
            {"authorization": f"Bearer {KEY}", "headers": {"authorization": f"Bearer {KEY}"}},
        ],
    )
    def test_clients_put_it_in_several_places(self, payload: dict[str, object]):
        assert self.gate.admit_socket(connection(kind="websocket"), payload).kind == "key"

    @pytest.mark.parametrize(
        "payload",
        [
            {"headers": {"authorization": f"Bearer {KEY}"}, "authorization": "Bearer wrong"},
            {"authorization": f"Bearer {KEY}", "Authorization": "Bearer wrong"},
            {"headers": {"headers": {"authorization": f"Bearer {KEY}"}}},
            {"headers": f"Bearer {KEY}"},
            {"headers": None},
            {"token": f"Bearer {KEY}"},
        ],
    )
    def test_not_anywhere_and_not_beside_another(self, payload: dict[str, object]):
        with pytest.raises(Refused):
            self.gate.admit_socket(connection(kind="websocket"), payload)

    def test_sockets_from_other_origins_are_refused(self):
        self.gate.check_handshake(connection({"origin": "http://localhost:8000"}, kind="websocket"))
        with pytest.raises(Refused):
            self.gate.check_handshake(connection({"origin": "http://evil.example"}, kind="websocket"))


@pytest.mark.parametrize(
    ("host", "key"),
    [("127.0.0.1", None), ("localhost", None), ("::1", None), ("127.0.0.1", KEY), ("0.0.0.0", KEY)],  # noqa: S104
)
def test_bindings_that_are_safe(host: str, key: str | None):
    check_binding(host, key)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "headwater.example", "10.0.0.9"],  # noqa: S104
)
def test_other_bindings_are_refused_with_the_remedy(host: str):
    with pytest.raises(StartRefused, match="HEADWATER_ADMIN_KEY"):
        check_binding(host, None)


def test_default_ports_need_not_be_said():
    assert is_local_host("localhost", 80)
    assert is_local_host("localhost", 443, "https")
    assert is_local_origin("http://localhost", 80)
    assert not is_local_origin("https://localhost", 80)


class TestAllowedOrigins:
    origin = "https://app.example.com"

    @pytest.mark.parametrize("key", [None, KEY])
    def test_their_pages_count_as_ours(self, key: str | None):
        gate = Gate(key, [self.origin])
        page = {"origin": self.origin, "sec-fetch-site": "cross-site"}
        gate.check_handshake(connection(page, kind="websocket"))
        if key is None:
            assert gate.admit(connection(page)).kind == "local"

    @pytest.mark.parametrize("key", [None, KEY])
    @pytest.mark.parametrize("origin", ["https://app.example.com.evil.example", "http://app.example.com", "null", ""])
    def test_others_stay_refused(self, key: str | None, origin: str):
        with pytest.raises(Refused) as refused:
            Gate(key, [self.origin]).check_handshake(connection({"origin": origin}, kind="websocket"))
        assert refused.value.status == 403

    def test_a_foreign_host_stays_refused(self):
        with pytest.raises(Refused):
            Gate(None, [self.origin]).admit(connection({"origin": self.origin, "host": "rebound.example:8000"}))
