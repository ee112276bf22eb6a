-- ctr_predict by columns: where the planner takes a row apart, and that no score changes by it
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
-- scores are compared to the bit, blocks are another order of sums: sql/blocks.sql
SET ctr.block_scoring = off;
\i sql/clicks.psql
\i sql/try.psql
\pset null '-'

-- sources of every kind
CREATE FUNCTION by_columns(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; found boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP found := found
        OR line ~ 'ctr_predict(_classes)?_columns\('; END LOOP;
    RETURN found;
END $$;
CREATE TABLE reshaped AS
SELECT 'x'::text AS gone, id, city, device::name AS device, 0 AS gone_too, price::numeric AS price
FROM clicks;
ALTER TABLE reshaped DROP COLUMN gone, DROP COLUMN gone_too, ADD COLUMN later int DEFAULT 7,
ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED;
DO $$ BEGIN -- a column that is computed when it is read, where PostgreSQL has such
    EXECUTE format('CREATE TABLE computed (id int, town text, device text, price float8, city text GENERATED '
                   'ALWAYS AS (town) %s)',
        CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'VIRTUAL' ELSE 'STORED' END);
END $$;
INSERT INTO computed SELECT id, city, device, price FROM clicks;
CREATE TABLE parts (id int, city text, device text, price float8) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_high (price float8, gone int, device text, id int, city text);
ALTER TABLE parts_high DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (500) TO (1000);
INSERT INTO parts SELECT id, city, device, price FROM clicks WHERE id < 1000;
CREATE VIEW joined AS
SELECT a.id, a.city, a.device, b.price FROM clicks a JOIN clicks b USING (id) WHERE id % 3 = 0;
CREATE VIEW grouped AS
SELECT id, min(city) AS city, min(device) AS device, min(price) AS price FROM clicks GROUP BY id;
SELECT format('CREATE TABLE wide AS SELECT c.*, %s FROM clicks c WHERE id < 50',
              string_agg('1 AS w' || k, ', ')) FROM generate_series(1, 100) k \gexec

-- scores of grouped rows by columns, and those of the same rows taken whole
CREATE FUNCTION grouped_scores(source text, keys text)
RETURNS TABLE (groups bigint, wrong bigint, without_row bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('WITH m AS MATERIALIZED (SELECT model FROM models WHERE name = ''fit''),
        s AS (SELECT r, ctr_predict((SELECT model FROM m), r) AS p FROM %s r GROUP BY %s
              HAVING ctr_predict((SELECT model FROM m), r) > 0 OR count(*) > 1)
        SELECT count(*), count(*) FILTER (WHERE p IS DISTINCT FROM ctr_predict(model, (SELECT r))),
               count(*) FILTER (WHERE p IS NULL) FROM s, m', source, keys);
END $$;

-- which of the sources the planner takes apart
SELECT source, by_columns(format('SELECT ctr_predict(model, r) FROM models, %s r', source)) AS columns
FROM unnest('{clicks,reshaped,parts,joined,grouped,wide,"(SELECT * FROM clicks)"}'::text[]) source;

-- the scores are the same by columns and by the row
CREATE FUNCTION differ(source text) RETURNS TABLE (rows bigint, wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE
        format('SELECT count(*), count(*) FILTER (WHERE
            ctr_predict(model, r) IS DISTINCT FROM ctr_predict(model, (SELECT r))
            OR ctr_predict_classes(model, r) IS DISTINCT FROM ctr_predict_classes(model, (SELECT r)))
        FROM models, %s WHERE name = ''fit''', source);
END $$;
SELECT source, d.*
FROM unnest('{clicks r,reshaped r,computed r,parts r,joined r,grouped r,wide r,generate_series(1\,9) k LEFT '
            'JOIN clicks r ON id = k * 400}'::text[]) source, differ(source) d;

-- classes and subqueries are taken apart; a row that may be NULL and a constant model are not
SELECT by_columns('SELECT ctr_predict_classes(model, r) FROM models, clicks r') AS classes,
       by_columns('SELECT ctr_predict((SELECT model FROM models WHERE name = ''fit''), r) '
                  'FROM clicks r') AS initplan,
       by_columns('SELECT ctr_predict(model, r) FROM models LEFT JOIN clicks r ON true') AS may_be_null,
       by_columns(format('SELECT ctr_predict(%L, r) FROM clicks r',
                         (SELECT model::text FROM models WHERE name = 'fit'))) AS constant_model;

-- nor does it take the rows of an inner query for those of the outer one, which here has clicks in the
-- same place
CREATE FUNCTION the_model() RETURNS ctr_model STABLE LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$ BEGIN RETURN (SELECT model FROM models WHERE name = 'fit'); END $$;
SELECT count(*) AS without_rows FROM models m, clicks o WHERE m.name = 'fit' AND (o.id < 0 OR EXISTS (
    SELECT 1 FROM (VALUES (1), (2)) v(k) LEFT JOIN clicks r ON r.id = -k
    WHERE k = o.id AND ctr_predict(the_model(), r) IS NULL));

-- rows that are grouped, also by sets of which one leaves them out
SELECT source, keys, g.* FROM unnest('{clicks,joined}'::text[]) source, unnest('{r,ROLLUP (r)}'::text[]) keys,
                              grouped_scores(source, keys) g;

-- an index on the scores of a constant model is found
ALTER FUNCTION the_model IMMUTABLE;
CREATE INDEX scored ON clicks (ctr_predict(the_model(), clicks));
SET enable_seqscan = off;
CREATE FUNCTION uses(index text, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; found boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP found := found
        OR line LIKE '%Scan%' || index || '%'; END LOOP;
    RETURN found;
END $$;
SELECT uses('scored', 'SELECT 1 FROM clicks ORDER BY ctr_predict(the_model(), clicks) LIMIT 1') AS index_used;
RESET enable_seqscan;
DROP INDEX scored;
SELECT round(sum(ctr_predict(model, c))::numeric, 3) AS total FROM models, clicks c WHERE name = 'fit' \gset

-- ... and one of a model beside the row, which an upsert can name
CREATE TABLE own AS SELECT c.*, model FROM models, clicks c WHERE name = 'fit' AND id <= 50;
CREATE UNIQUE INDEX own_score ON own (ctr_predict(model, own), id);
SET enable_seqscan = off;
SELECT uses('own_score', 'SELECT 1 FROM own ORDER BY ctr_predict(model, own), id LIMIT 1') AS index_used;
RESET enable_seqscan;
INSERT INTO own SELECT * FROM own ON CONFLICT (ctr_predict(model, own), id) DO NOTHING;
SELECT count(*) FROM own;
DROP TABLE own;

-- updates, upserts, and a table that changes under a prepared statement
BEGIN;
ALTER TABLE reshaped ADD COLUMN score float8;
UPDATE reshaped r SET score = ctr_predict(model, r) FROM models WHERE name = 'fit';
SELECT count(*) AS updated, count(*) FILTER (WHERE abs(score - p) > 1e-12) AS wrong FROM reshaped
JOIN (SELECT id, ctr_predict(model, c) AS p FROM models, clicks c WHERE name = 'fit') s USING (id);
CREATE UNIQUE INDEX ON reshaped (id);
INSERT INTO reshaped (id, city, device, price) SELECT id, 'never', 'seen', -1 FROM reshaped WHERE id <= 5
    ON CONFLICT (id) DO UPDATE SET score = ctr_predict((SELECT model FROM models WHERE name = 'fit'),
        excluded);
SELECT count(DISTINCT score) AS upserted FROM reshaped WHERE id <= 5;
ROLLBACK;
SET plan_cache_mode = force_generic_plan;
PREPARE again AS SELECT round(sum(ctr_predict(model, r))::numeric, 3) = $1 FROM models, reshaped r
                 WHERE name = 'fit';
EXECUTE again(:total);
ALTER TABLE reshaped DROP COLUMN later, ADD COLUMN first_again text;
EXECUTE again(:total);
RESET plan_cache_mode;
DEALLOCATE again;

CREATE TYPE grows AS (city text, device text, price float8);
SET plan_cache_mode = force_generic_plan;
PREPARE again AS SELECT round(sum(ctr_predict(model, ROW(city, device, price)::grows))::numeric, 3) = $1
                 FROM models, clicks WHERE name = 'fit';
EXECUTE again(:total);
ALTER TYPE grows ADD ATTRIBUTE more int;
EXECUTE again(:total);
RESET plan_cache_mode;
DEALLOCATE again;
DROP TYPE grows;

-- who may call ctr_predict alone
BEGIN;
CREATE ROLE ctr_reader;
GRANT SELECT ON models, clicks TO ctr_reader;
REVOKE EXECUTE ON FUNCTION ctr_predict_columns FROM PUBLIC;
SET LOCAL ROLE ctr_reader;
SELECT round(sum(ctr_predict(model, c))::numeric, 3) = :total AS without_columns FROM models, clicks c
WHERE name = 'fit';
ROLLBACK;

-- calls by hand
CREATE TABLE wrong AS SELECT 1 AS label, 'a'::text AS city;
SELECT e.* FROM (VALUES
 ('SELECT ctr_predict_columns(model, ''wrong'', 1) FROM models'),
 ('SELECT ctr_predict_columns(model, ''wrong'', 1, 2) FROM models'),
 ('SELECT ctr_predict_columns(model, ''wrong'', 1, NULL::text) FROM models'),
 ('SELECT ctr_predict_columns(model, ''wrong'') FROM models'),
 ('SELECT ctr_predict_columns(model, ''wrong'', VARIADIC ARRAY[1, 2]) FROM models'),
 ('SELECT ctr_predict_columns(model, ''int4'', 1) FROM models'),
 ('SELECT ctr_predict_columns(model, 999999::oid, 1) FROM models')
) q(query), try(query) e;
SELECT ctr_predict_columns(model, NULL, 1) AS no_type, ctr_predict_columns(NULL, 'wrong', 1) AS no_model
FROM models WHERE name = 'fit';
DROP VIEW joined, grouped;
DROP TABLE reshaped, computed, parts, wide, wrong;
DROP FUNCTION by_columns, differ, uses, the_model, grouped_scores;

-- what was looked up for a query of one row serves the next, unless the row type has changed
CREATE TABLE one_row AS SELECT * FROM clicks LIMIT 1;
PREPARE one AS SELECT ctr_predict(model, r) IS NOT NULL AS scored FROM models, one_row r WHERE name = 'fit';
EXECUTE one;
EXECUTE one;
ALTER TABLE one_row RENAME city TO town;
SELECT try('EXECUTE one');
ALTER TABLE one_row RENAME town TO city;
EXECUTE one;
ALTER TABLE one_row ADD COLUMN more int, DROP COLUMN id;
EXECUTE one;
SELECT try($$SELECT ctr_predict_columns(model, 'one_row', 1, 2) FROM models WHERE name = 'fit'$$);
-- a planned call may run, as Citus runs it, where the type never had a column that is dropped here
DO $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'one_row'::regclass AND attnum > 0 AND NOT attisdropped);
    same boolean;
BEGIN
    EXECUTE format('SELECT ctr_predict_columns(model, ''one_row'', %s) = ctr_predict(model, r) FROM models, one_row r WHERE name = ''fit''', columns) INTO STRICT same;
    ASSERT same;
END $$;
DEALLOCATE one;
DROP TABLE one_row;
