-- The shop of api/demo/shop.py in PostgreSQL's own words.
CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'All that is sold';
SET search_path = shop;

CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned');

CREATE TABLE customers (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    "full name"   text NOT NULL,
    country       character(2) NOT NULL DEFAULT 'NL',
    referred_by   integer REFERENCES customers (id) ON DELETE SET NULL,
    joined_on     date NOT NULL,
    is_active     boolean NOT NULL DEFAULT true,
    CONSTRAINT customers_email_check CHECK (email LIKE '_%@_%')
);
COMMENT ON TABLE customers IS 'People who bought, or were sent by one who did';
COMMENT ON COLUMN customers."full name" IS 'As on the parcel';

CREATE TABLE categories (
    id            serial PRIMARY KEY,
    name          varchar(80) NOT NULL,
    parent_id     integer REFERENCES categories,
    UNIQUE (parent_id, name)
);

CREATE TABLE products (
    sku            varchar(20) PRIMARY KEY,
    name           text NOT NULL,
    category_id    integer NOT NULL REFERENCES categories ON UPDATE CASCADE,
    price          numeric(10, 2) NOT NULL CHECK (price >= 0),
    tax_rate       numeric(4, 3) NOT NULL DEFAULT 0.21,
    price_with_tax numeric(10, 2) GENERATED ALWAYS AS (round(price * (1 + tax_rate), 2)) STORED,
    attributes     jsonb,
    photo          bytea,
    tags           text[]
);

CREATE TABLE orders (
    id            bigint PRIMARY KEY,
    customer_id   integer NOT NULL REFERENCES customers,
    status        order_status NOT NULL DEFAULT 'new',
    placed_at     timestamptz NOT NULL,
    "ship.to"     text,
    note          text
);

CREATE TABLE "order lines" (
    order_id      bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
    line_no       integer NOT NULL,
    sku           varchar(20) NOT NULL REFERENCES products (sku),
    quantity      integer NOT NULL DEFAULT 1 CHECK (quantity > 0),
    unit_price    numeric(10, 2) NOT NULL,
    line_total    numeric(12, 2) GENERATED ALWAYS AS (quantity * unit_price) STORED,
    CONSTRAINT "order lines pkey" PRIMARY KEY (order_id, line_no)
);

CREATE TABLE shipments (
    id            uuid PRIMARY KEY,
    order_id      bigint NOT NULL,
    line_no       integer NOT NULL,
    sent_at       timestamptz,
    weight_kg     double precision,
    CONSTRAINT shipments_line_fkey FOREIGN KEY (order_id, line_no) REFERENCES "order lines" ON DELETE CASCADE
);

CREATE TABLE "Preis-Änderungen" (
    sku           varchar(20) NOT NULL REFERENCES products,
    "gültig ab"   date NOT NULL,
    "Preis €"     numeric(10, 2) NOT NULL,
    PRIMARY KEY ("gültig ab", sku)
);

CREATE TABLE "group" (
    "order"       integer PRIMARY KEY,
    "primary"     text,
    "he said ""hi""" text
);

CREATE TABLE "audit.log" (
    at            timestamptz NOT NULL,
    who           text,
    what          text,
    details       json
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

CREATE MATERIALIZED VIEW "orders per month" AS
    SELECT date_trunc('month', placed_at) AS month, count(*) AS orders FROM orders GROUP BY 1;
