"""A small but awkward shop as a SQLite file: something to look at before the first source of one's own."""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SCHEMA = '''
CREATE TABLE customers (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT NOT NULL COLLATE NOCASE CONSTRAINT customers_email_key UNIQUE,
    "full name"   TEXT NOT NULL,
    country       CHAR(2) NOT NULL DEFAULT 'NL',
    referred_by   INTEGER CONSTRAINT customers_referred_by_fkey REFERENCES customers (id) ON DELETE SET NULL,
    joined_on     DATE NOT NULL,
    is_active     BOOLEAN NOT NULL DEFAULT TRUE,
    CONSTRAINT customers_email_check CHECK (email LIKE '_%@_%')
);

CREATE TABLE categories (
    id            INTEGER PRIMARY KEY,
    name          VARCHAR(80) NOT NULL,
    parent_id     INTEGER REFERENCES categories,
    UNIQUE (parent_id, name)
);

CREATE TABLE products (
    sku            VARCHAR(20) NOT NULL CONSTRAINT products_pkey PRIMARY KEY,
    name           TEXT NOT NULL,
    category_id    INTEGER NOT NULL REFERENCES categories ON UPDATE CASCADE,
    price          DECIMAL(10, 2) NOT NULL CHECK (price >= 0),
    tax_rate       DECIMAL(4, 3) NOT NULL DEFAULT 0.21,
    price_with_tax DECIMAL(10, 2) GENERATED ALWAYS AS (round(price * (1 + tax_rate), 2)) STORED,
    attributes     JSON,
    photo          BLOB
);

CREATE TABLE orders (
    id            INTEGER PRIMARY KEY,
    customer_id   INTEGER NOT NULL REFERENCES customers,
    status        TEXT NOT NULL DEFAULT 'new'
                  CONSTRAINT orders_status_check CHECK (status IN ('new', 'paid', 'shipped', 'returned')),
    placed_at     TIMESTAMP NOT NULL,
    "ship.to"     TEXT,
    note          TEXT
);

CREATE TABLE "order lines" (
    order_id      INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
    line_no       INTEGER NOT NULL,
    sku           VARCHAR(20) NOT NULL REFERENCES products (sku),
    quantity      INTEGER NOT NULL DEFAULT 1 CHECK (quantity > 0),
    unit_price    DECIMAL(10, 2) NOT NULL,
    line_total    DECIMAL(12, 2) AS (quantity * unit_price) VIRTUAL,
    CONSTRAINT "order lines pkey" PRIMARY KEY (order_id, line_no)
) WITHOUT ROWID;

CREATE TABLE shipments (
    id            UUID NOT NULL PRIMARY KEY,
    order_id      INTEGER NOT NULL,
    line_no       INTEGER NOT NULL,
    sent_at       TIMESTAMP,
    weight_kg     REAL,
    CONSTRAINT shipments_line_fkey FOREIGN KEY (order_id, line_no) REFERENCES "order lines" ON DELETE CASCADE
);

CREATE TABLE "Preis-Änderungen" (
    sku           VARCHAR(20) NOT NULL REFERENCES products,
    "gültig ab"   DATE NOT NULL,
    "Preis €"     DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY ("gültig ab", sku)
);

CREATE TABLE "group" (
    "order"       INTEGER PRIMARY KEY,
    "primary"     TEXT,
    "he said ""hi""" TEXT
);

CREATE TABLE "audit.log" (
    at            TIMESTAMP NOT NULL,
    who           TEXT,
    what,
    details       JSON
);

CREATE INDEX orders_newest ON orders (placed_at DESC, customer_id);
CREATE INDEX orders_open ON orders (customer_id) WHERE status IN ('new', 'paid');
CREATE INDEX products_by_name ON products (lower(name));
CREATE UNIQUE INDEX "customers by name & country" ON customers ("full name", country, joined_on);

CREATE VIEW active_customers AS
    SELECT id, email, "full name", country FROM customers WHERE is_active;

CREATE VIEW "revenue per category" AS
    SELECT c.name AS category, count(DISTINCT l.order_id) AS orders, sum(l.line_total) AS revenue
      FROM "order lines" AS l
      JOIN products AS p ON p.sku = l.sku
      JOIN categories AS c ON c.id = p.category_id
     GROUP BY c.name;
'''

_CUSTOMERS = 120
_PRODUCTS = 40
_ORDERS = 300
_FIRST_DAY = datetime(2026, 1, 1, 8, tzinfo=UTC)
_FIRST_NAMES = ("Ada", "Bram", "Chiara", "Đorđe", "Élodie", "Fatma", "Göran", "Hana", "Ibrahim", "Jun")
_LAST_NAMES = ("O'Neil", "van der Meer", "Rossi", "Ünal", "García", "Nowak", "Li", "de Vries", "Søndergård")
_COUNTRIES = ("NL", "DE", "FR", "IT", "PL", "SE")
_CATEGORIES = (("Tea", None), ("Green tea", 1), ("Black tea", 1), ("Pots & cups", None), ("Teapots", 4), ("Cups", 4))
_STATES = ("shipped", "shipped", "paid", "new", "shipped", "returned")


def write_demo_shop(path: Path) -> None:
    """Writes the shop to `path`, always the same one; a file of that name is replaced once the new one is complete."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")  # no second file beside a draft that is thrown away
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(f"BEGIN;{_SCHEMA}")
            for statement, rows in _content():
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _content() -> Iterator[tuple[str, Sequence[tuple[object, ...]]]]:
    """INSERT statements and their rows, parents before children."""
    yield "INSERT INTO categories (name, parent_id) VALUES (?, ?)", _CATEGORIES
    yield (
        'INSERT INTO customers (email, "full name", country, referred_by, joined_on, is_active)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        [_customer(number) for number in range(1, _CUSTOMERS + 1)],
    )
    yield (
        "INSERT INTO products (sku, name, category_id, price, attributes) VALUES (?, ?, ?, ?, ?)",
        [_product(number) for number in range(_PRODUCTS)],
    )
    yield (
        'INSERT INTO orders (id, customer_id, status, placed_at, "ship.to") VALUES (?, ?, ?, ?, ?)',
        [_order(number) for number in range(1, _ORDERS + 1)],
    )
    lines = [line for number in range(1, _ORDERS + 1) for line in _lines(number)]
    yield 'INSERT INTO "order lines" (order_id, line_no, sku, quantity, unit_price) VALUES (?, ?, ?, ?, ?)', lines
    yield "INSERT INTO shipments VALUES (?, ?, ?, ?, ?)", [_shipment(line) for line in lines[::3]]
    yield (
        'INSERT INTO "Preis-Änderungen" VALUES (?, ?, ?)',
        [(_sku(number), _day(number * 5), _price(number) - 0.5) for number in range(_PRODUCTS)],
    )
    yield (
        'INSERT INTO "group" VALUES (?, ?, ?)',
        [(number, name, f'she said "{name}"') for number, name in enumerate(("first", "second", "third"), start=1)],
    )
    yield (
        'INSERT INTO "audit.log" VALUES (?, ?, ?, ?)',
        [(_moment(number * 9), "system", f"order {number}", '{"by": "import"}') for number in range(1, 51)],
    )


def _customer(number: int) -> tuple[object, ...]:
    first, last = _FIRST_NAMES[number % len(_FIRST_NAMES)], _LAST_NAMES[number % len(_LAST_NAMES)]
    referrer = number // 3 if number % 3 == 0 else None
    return (
        f"customer{number}@example.com",
        f"{first} {last}",
        _COUNTRIES[number * 7 % len(_COUNTRIES)],
        referrer,
        _day(number),
        number % 11 != 0,
    )


def _sku(number: int) -> str:
    return f"SKU-{number:04d}"


def _price(number: int) -> float:
    return round(2.5 + number * 37 % 60 + number % 4 * 0.25, 2)


def _product(number: int) -> tuple[object, ...]:
    category = (2, 3, 5, 6)[number % 4]
    return _sku(number), f"Blend № {number}", category, _price(number), f'{{"grams": {50 + number % 5 * 50}}}'


def _order(number: int) -> tuple[object, ...]:
    status = _STATES[number % len(_STATES)]
    return number, number * 17 % _CUSTOMERS + 1, status, _moment(number), f"Canal {number % 90 + 1}, Delft"


def _lines(order: int) -> Iterator[tuple[int, int, str, int, float]]:
    for line in range(1, order % 3 + 2):
        product = (order * 13 + line * 7) % _PRODUCTS
        yield order, line, _sku(product), order % 4 + 1, _price(product)


def _shipment(line: tuple[int, int, str, int, float]) -> tuple[object, ...]:
    order, line_no, _, quantity, _ = line
    identity = f"00000000-0000-4000-8000-{order:08d}{line_no:04d}"
    return identity, order, line_no, _moment(order + 20), quantity * 0.35


def _moment(number: int) -> str:
    return (_FIRST_DAY + timedelta(hours=number * 19)).strftime("%Y-%m-%d %H:%M:%S")


def _day(number: int) -> str:
    return (_FIRST_DAY + timedelta(days=number)).strftime("%Y-%m-%d")
