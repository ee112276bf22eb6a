-- clicks.sql: the tables of the examples in README.md and docs/. Made up, and the same on every machine.
--
--   ads            60 ads: advertiser, format, the price paid for a click
--   clicks         20,000 impressions of ten days, in order of time; label 1: it was clicked
--   clicks_test    4,000 of the two days after
--   clicks_today   2,000 of the day after that, some of them of ads that no earlier day has
--
-- What is clicked depends on single columns (device, ad, price, hour of the day) and on pairs of them (country and
-- format, site and device). Nobody in Liechtenstein clicks.

BEGIN;

-- uniform in (0, 1), from a row's number and a column's
CREATE FUNCTION pg_temp.uniform(i bigint, k int) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN ((hashint8extended(i, k) & 4503599627370495) + 0.5) / 4503599627370496;

-- a category's effect in (-1, 1), from its name
CREATE FUNCTION pg_temp.effect(name text) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN 2 * pg_temp.uniform(hashtextextended(name, 1), 1) - 1;

CREATE TABLE ads (ad int PRIMARY KEY, advertiser text NOT NULL, format text NOT NULL, bid numeric NOT NULL);
INSERT INTO ads
SELECT ad, 'advertiser ' || 1 + (pg_temp.uniform(ad, 1) * 12)::int,
       (ARRAY['banner', 'video', 'native'])[1 + floor(pg_temp.uniform(ad, 2) * 3)::int],
       round((0.05 + 0.5 * pg_temp.uniform(ad, 3))::numeric, 2)
FROM generate_series(1, 60) ad;

CREATE TABLE clicks (
    id bigint PRIMARY KEY, at timestamptz NOT NULL, country text NOT NULL, device text NOT NULL, site text NOT NULL,
    ad int NOT NULL, price numeric NOT NULL, age int, label int NOT NULL);
CREATE TABLE clicks_test (LIKE clicks INCLUDING ALL);
CREATE TABLE clicks_today (LIKE clicks INCLUDING ALL);

CREATE TEMP TABLE impressions ON COMMIT DROP AS
SELECT id, timestamptz '2026-11-01 00:00+00' + id * interval '43.2 seconds' AS at,
       CASE WHEN pg_temp.uniform(id, 11) < 0.01 THEN 'LI'
            ELSE (ARRAY['AT', 'CH', 'DE', 'FR', 'IT'])[1 + floor(5 * pg_temp.uniform(id, 12) ^ 1.5)::int] END AS country,
       (ARRAY['phone', 'tablet', 'desktop'])[1 + floor(3 * pg_temp.uniform(id, 13) ^ 2)::int] AS device,
       'site ' || 1 + floor(200 * pg_temp.uniform(id, 14) ^ 3)::int AS site,
       1 + floor(CASE WHEN id > 24000 THEN 60 ELSE 50 END * pg_temp.uniform(id, 15) ^ 1.5)::int AS ad,
       round((200 * pg_temp.uniform(id, 16) ^ 3 + 1)::numeric, 2) AS price,
       CASE WHEN pg_temp.uniform(id, 17) > 0.3 THEN 18 + floor(60 * pg_temp.uniform(id, 18) ^ 2)::int END AS age
FROM generate_series(1, 26000) id;

CREATE TEMP TABLE labelled ON COMMIT DROP AS
SELECT i.*, (country <> 'LI' AND pg_temp.uniform(id, 19) < 1 / (1 + exp(-(
           -2.3 + 0.8 * pg_temp.effect(device) + 1.0 * pg_temp.effect('ad ' || ad) - 0.4 * ln(price / 30)
           + 0.9 * sin(extract(hour FROM at AT TIME ZONE 'UTC')::float8 / 24 * 2 * pi())
           + 1.5 * pg_temp.effect(country || format) + 1.0 * pg_temp.effect(site || device)))))::int AS label
FROM impressions i JOIN ads USING (ad);

INSERT INTO clicks SELECT * FROM labelled WHERE id <= 20000 ORDER BY id;
INSERT INTO clicks_test SELECT * FROM labelled WHERE id > 20000 AND id <= 24000 ORDER BY id;
INSERT INTO clicks_today SELECT * FROM labelled WHERE id > 24000 ORDER BY id;

COMMIT;
ANALYZE ads, clicks, clicks_test, clicks_today;
