-- odd sources, odd types, and failures from which a session must recover
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
\pset null '-'

CREATE TABLE rows AS
SELECT i AS id, i / 3 % 2 AS label, i % 2 AS part, 'c' || i % 7 AS code, (i * 31 % 97)::float8 AS x
FROM generate_series(1, 600) i;
CREATE FUNCTION once(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
AS $$ SELECT ctr_fit(epochs => 1, min_count => 1) || '{"mlp_layers": [4]}' || more $$;
CREATE FUNCTION trains(query text, options jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    model ctr_model;
    fine boolean;
BEGIN
    EXECUTE format('SELECT ctr_train(t, once(%L)) FROM (%s) t', options, query) INTO model;
    EXECUTE format('SELECT bool_and(ctr_predict($1, t) BETWEEN 0 AND 1) FROM (%s) t', query) INTO fine
    USING model;
    RETURN CASE WHEN fine THEN 'yes' ELSE 'scores are wrong' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- columns of every kind: composites, domains over enums, toasted text; labels of every kind
CREATE TYPE pair AS (a int, b text);
CREATE TYPE level AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN known_level AS level CHECK (VALUE <> 'low');
SELECT trains('SELECT label, x, ROW(part, code)::pair AS p FROM rows') AS composite,
       trains('SELECT label, x, ROW(part, code)::pair AS p FROM rows', '{"ignore": ["p"]}') AS ignored,
       trains('SELECT label, x, ROW(part, code)::pair AS p FROM rows',
              '{"categorical": ["p"]}') AS categorical,
       trains('SELECT label, (ARRAY[''middle'', ''high''])[1 + part]::known_level AS l '
              'FROM rows') AS domain_over_enum,
       trains('SELECT label, x, now() AS at FROM rows', '{"categorical": ["at"]}') AS timestamp_as_category;

-- toasted texts
CREATE TABLE toasted AS
SELECT label, id, (SELECT string_agg(md5((part * 1000 + k)::text), '') FROM generate_series(1, 300) k) AS long
FROM rows WHERE id <= 100;
SELECT trains('SELECT * FROM toasted') AS toasted, pg_column_size(long) < length(long)
    OR pg_relation_size(reltoastrelid) > 0 AS is_toasted FROM toasted, pg_class
    WHERE relname = 'toasted' LIMIT 1;

-- labels of every type, and labels that are none
SELECT kind, trains(format('SELECT label::%s AS label, x, code FROM rows', kind))
FROM unnest('{bool,int2,int4,int8,float4,float8,numeric,text,varchar,bpchar,name}'::regtype[]) kind
ORDER BY kind::text COLLATE "C";
SELECT trains('SELECT (label = 1)::text AS label, x FROM rows') AS words,
       trains('SELECT ''NaN''::float8 AS label, x FROM rows') AS nan,
       trains('SELECT ''{}''::jsonb AS label, x FROM rows') AS jsonb,
       trains('SELECT 1e300 * label AS label, x FROM rows') AS huge;

-- sources of every kind: views, joins, CTEs, VALUES, inheritance, dropped columns, row security
CREATE VIEW some_rows AS SELECT * FROM rows WHERE id < 300;
CREATE TABLE changed AS SELECT 1 AS gone, r.*, 2 AS gone_too FROM rows r;
ALTER TABLE changed DROP COLUMN gone, DROP COLUMN gone_too, ADD COLUMN added text DEFAULT 'd';
CREATE TABLE parent (LIKE rows); CREATE TABLE child (more int) INHERITS (parent);
INSERT INTO child SELECT *, 1 FROM rows;
SELECT trains('SELECT * FROM some_rows') AS view, trains('SELECT * FROM changed') AS dropped_columns,
       trains('SELECT * FROM parent') AS inheritance,
       trains('VALUES (0, 1), (1, 2), (0, 3), (1, 4)', '{"label": "column1"}') AS "values",
       trains('SELECT * FROM rows JOIN (SELECT id AS other, x AS y FROM rows) r ON id = other') AS "join";

-- rows named by a join, a CTE, a parent table; ordered, distinct and NULL rows
SELECT ctr_train(j, once()) IS NOT NULL AS join_alias FROM (rows JOIN (SELECT 1 AS one) o ON true) j;
WITH w AS MATERIALIZED (SELECT * FROM rows) SELECT ctr_train(w, once()) IS NOT NULL AS cte FROM w;
SELECT ctr_train(p, once()) IS NOT NULL AS parent_and_child FROM parent p;
SELECT ctr_train(r, once() ORDER BY id DESC) IS NOT NULL AS ordered,
       ctr_train(DISTINCT r) IS NOT NULL AS distinct_rows FROM rows r;
SELECT ctr_config(ctr_train(r, once('{"validation": 0}')))->'rows' AS null_rows
FROM (SELECT CASE WHEN id % 3 > 0 THEN r END FROM rows r) s(r);
SELECT message FROM try('SELECT ctr_train(NULL::rows) FROM rows') e UNION ALL SELECT message
    FROM try('SELECT ctr_train(NULL::record)') e;

-- row security: only visible rows train
CREATE ROLE ctr_reader; GRANT SELECT ON rows TO ctr_reader; GRANT EXECUTE ON FUNCTION once TO ctr_reader;
ALTER TABLE rows ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON rows USING (id <= 200);
SET ROLE ctr_reader; SELECT ctr_config(ctr_train(r, once('{"validation": 0}')))->'rows'->'training'
                            AS visible_rows FROM rows r; RESET ROLE;
ALTER TABLE rows DISABLE ROW LEVEL SECURITY; REVOKE ALL ON rows FROM ctr_reader;
REVOKE ALL ON FUNCTION once FROM ctr_reader; DROP POLICY half ON rows; DROP ROLE ctr_reader;

-- a row type that changes under a running query: looked up again for scoring
CREATE TYPE shifting AS (code text, part int, x float8);
CREATE TABLE fitted AS
SELECT ctr_train(r, once('{"ignore": ["id"], "categorical": ["code", "part"]}')) AS model FROM rows r;
CREATE FUNCTION shift(i int) RETURNS record LANGUAGE plpgsql AS $$
DECLARE
    result record;
BEGIN
    IF i = 3 THEN EXECUTE 'ALTER TYPE shifting ALTER ATTRIBUTE part SET DATA TYPE text'; END IF;
    EXECUTE 'SELECT jsonb_populate_record(NULL::shifting, ''{"code": "c1", "part": 1, "x": 5}'') AS r'
    INTO result;
    RETURN result.r;
END $$;
SELECT count(*), count(DISTINCT p) AS scores
FROM (SELECT ctr_predict(model, shift(i)) AS p FROM fitted, generate_series(1, 5) i) s;

-- two trainings at once with their rows in temporary files; errors leave none behind
SET maintenance_work_mem = '1MB';
CREATE VIEW many AS
SELECT i % 2 AS part, i / 2 % 2 AS label, i AS a, i * 2.0 AS b, i % 77 AS c, (i % 99)::text AS d
FROM generate_series(1, 50000) i;
CREATE TABLE halves AS
SELECT part, ctr_train(m, once('{"ignore": ["part"]}')) AS model FROM many m GROUP BY part;
SELECT part, md5(ctr_state_dict(h.model))
       = md5(ctr_state_dict((SELECT ctr_train(m, once('{"ignore": ["part"]}')) FROM many m
                             WHERE m.part = h.part))) AS as_if_alone FROM halves h ORDER BY part;
SELECT message
FROM try('SELECT part, ctr_train(m, once()) FROM (SELECT part, CASE WHEN a = 50000 THEN 7 '
         'ELSE label END AS label, a, b, c, d FROM many) m GROUP BY part') e;
SELECT count(*) AS files FROM pg_ls_tmpdir();

-- a cursor over trainings goes on after an error that was rolled back
BEGIN;
DECLARE of_part CURSOR WITH HOLD FOR
SELECT part, ctr_train(m, once()) IS NOT NULL FROM many m GROUP BY part ORDER BY part;
SAVEPOINT before;
FETCH 1 FROM of_part;
SELECT 1 / 0;
ROLLBACK TO before;
FETCH 1 FROM of_part;
COMMIT;
FETCH ALL FROM of_part;
CLOSE of_part;
SELECT count(*) AS files FROM pg_ls_tmpdir();
RESET maintenance_work_mem;

-- a cursor on scores outlives a rolled back change of the model; COPY of a query; parallel workers fail as
-- one
BEGIN;
DECLARE scores CURSOR FOR
SELECT id, ctr_predict(model, r) BETWEEN 0 AND 1 AS fine FROM fitted, rows r ORDER BY id;
FETCH 2 FROM scores;
SAVEPOINT before;
DELETE FROM fitted;
ROLLBACK TO before;
FETCH 2 FROM scores;
COMMIT;
COPY (SELECT length(ctr_train(r, once())::bytea) > 1000 FROM rows r) TO STDOUT;

-- parallel workers without a model, without rows, with wrong labels, without a column
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
ALTER TABLE rows SET (parallel_workers = 2);
SELECT (ctr_evaluate((SELECT model FROM fitted WHERE false), r)).* FROM rows r;
SELECT (ctr_evaluate((SELECT model FROM fitted), nullif(r, r))).* FROM rows r;
SELECT message
FROM try('SELECT ctr_evaluate((SELECT model FROM fitted), r) FROM (SELECT code, part, x, label + 5 AS label '
         'FROM rows) r') e;
SELECT message
FROM try('SELECT sum(ctr_predict((SELECT model FROM fitted), r)) FROM (SELECT code, x FROM rows) r') e;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;

-- memory of a session stays as it is over trainings, queries, and errors rolled back
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)
    FROM pg_backend_memory_contexts $$;
CREATE FUNCTION grows(query text, n int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    start bigint;
BEGIN
    FOR i IN 1 .. n LOOP
        BEGIN EXECUTE query; EXCEPTION WHEN OTHERS THEN NULL; END;
        IF i = n / 2 THEN start := memory(); END IF;
    END LOOP;
    RETURN memory() > start + 500000;
END $$;
SET jit = off;
SELECT grows('SELECT ctr_train(r, once()) FROM rows r', 50) AS trainings,
       grows('SELECT ctr_train(r, once(''{"label": "id"}'')) FROM rows r', 200) AS bad_labels,
       grows('SELECT ctr_train(r, once() || ctr_deepcross(n_cross => 8) '
             '|| ctr_fit(numerical_transform => ''none'', clip_norm => 0)) FROM (SELECT label, x * 1e14 AS x '
             'FROM rows) r', 50) AS diverging,
       grows('SELECT ctr_train(r, ''{"epochs": 1, "mlp_layers": [16384, 16384, 16384]}'') '
             'FROM rows r', 10) AS too_large,
       grows('SELECT ctr_predict(model, r) FROM fitted, rows r LIMIT 1', 3000) AS predictions,
       grows('SELECT ctr_predict(model, r) / (id - 2) FROM fitted, rows r', 500) AS failing_predictions,
       grows('SELECT ctr_predict_batch(model, r) OVER () / (id - 2) FROM fitted, rows r',
             500) AS failing_blocks,
       grows('SELECT substr(model::bytea, 1, 900)::ctr_model FROM fitted', 500) AS bad_models;

-- 1,000,000 distinct categories
SELECT (SELECT categories FROM ctr_features(model) f WHERE f.name = 'k') AS kept,
       length(model::bytea) > 8000000 AS long
FROM (SELECT ctr_train(t, ctr_fit(epochs => 1, min_count => 1, batch_size => 8192,
                                  validation => 0) || '{"mlp_layers": [4]}') AS model
      FROM (SELECT i % 2 AS label, 'k' || i AS k FROM generate_series(1, 1000000) i) t) m;
SELECT (SELECT categories FROM ctr_features(model) f WHERE f.name = 'k') AS pooled
FROM (SELECT ctr_train(t, ctr_fit(epochs => 1, min_count => 2, batch_size => 8192,
                                  validation => 0) || '{"mlp_layers": [4]}') AS model
      FROM (SELECT i % 2 AS label, 'k' || i AS k FROM generate_series(1, 200000) i) t) m;

-- sizes out of reach, options that are no object
SELECT e.* FROM (VALUES
 ('SELECT ctr_train(r, ''{"mlp_layers": [16384, 16384, 16384]}'') FROM rows r'),
 ('SELECT ctr_train(r, ''{"batch_size": 2147483647}'') FROM rows r'),
 ('SELECT ctr_train(r, ''[1]'') FROM rows r'),
 ('SELECT ctr_train(r, ''"reference"'') FROM rows r'),
 ('SELECT ctr_train(r, NULL) IS NULL FROM (SELECT label FROM rows) r')
) q(query), try(query) e;

DROP VIEW some_rows, many;
DROP TABLE rows, toasted, changed, child, parent, fitted, halves;
DROP FUNCTION once, trains, shift, memory, grows;
DROP TYPE pair, shifting;
DROP DOMAIN known_level;
DROP TYPE level;
