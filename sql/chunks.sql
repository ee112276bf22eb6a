-- Models in parts: ctr_chunks takes one apart, ctr_from_chunks puts it together.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
CREATE SCHEMA chunks;
SET search_path = chunks, public;
CREATE TABLE models (name text, model ctr_model);
INSERT INTO models SELECT 'm' || g, ctr_train(r, ctr_fit(epochs => 1, seed => g))
FROM (SELECT g, i % 2 AS label, i % 7 AS x, 'c' || i % 9 AS c FROM generate_series(1, 500) i, generate_series(1, 2) g) r GROUP BY g;

-- parts of a size, the last one shorter, numbered from 1; all in one
SELECT name, count(*) = 1 + (octet_length(model::bytea) - 1) / 1000 AS parts, min(part), max(part) = count(*) AS max, max(length(bytes)) AS largest,
       string_agg(bytes, '' ORDER BY part) = model::bytea AS same
FROM models, ctr_chunks(model, 1000) GROUP BY name, model ORDER BY name;
SELECT name, part, bytes = model::bytea AS same FROM models, ctr_chunks(model) ORDER BY name;
SELECT count(*) FROM ctr_chunks(NULL);
SELECT ctr_chunks(model, 0) FROM models;

-- put together, in any order, by groups, from stored parts
CREATE TABLE parts AS SELECT name, part, bytes FROM models, ctr_chunks(model, size => 777);
SELECT m.name, m.model::bytea = p.model::bytea AS same
FROM models m JOIN (SELECT name, ctr_from_chunks(part, bytes) AS model FROM (SELECT * FROM parts ORDER BY md5(name || part)) s GROUP BY name) p USING (name)
ORDER BY name;
SELECT ctr_from_chunks(part, bytes) IS NULL AS of_nothing FROM parts WHERE false;
SELECT name, ctr_from_chunks(part, bytes) IS NULL AS none FROM (VALUES ('m1'), ('m3')) n(name) LEFT JOIN parts USING (name) GROUP BY name ORDER BY name;

-- what is no model's parts
SELECT ctr_from_chunks(part, bytes) IS NULL FROM parts WHERE name = 'm1' AND part <> 3;
SELECT ctr_from_chunks(part, bytes) IS NULL FROM parts WHERE name = 'm1' AND part > 1;
SELECT ctr_from_chunks(part, bytes) IS NULL FROM parts;
SELECT ctr_from_chunks(part - 5, bytes) IS NULL FROM parts WHERE name = 'm1';
SELECT state, regexp_replace(message, '\d+', 'N', 'g') FROM try($$SELECT ctr_from_chunks(part, bytes) IS NULL FROM chunks.parts WHERE name = 'm1' AND part < 5$$);
SELECT state, message FROM try($$SELECT ctr_from_chunks(part, CASE part WHEN 7 THEN overlay(bytes PLACING '\x0000' FROM 9) ELSE bytes END) IS NULL FROM chunks.parts WHERE name = 'm1'$$);
SELECT ctr_from_chunks(1, '') IS NULL;
DROP SCHEMA chunks CASCADE;
