-- Plain ctr_predict scored in blocks of rows: where the scan stands in plans, and what a query can see of it.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
DROP TABLE IF EXISTS clicks, models CASCADE;
CREATE TABLE clicks AS
    SELECT i AS id, (i * 7919 % 5 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city
    FROM generate_series(1, 3000) i;
CREATE INDEX ON clicks (id);
CREATE TABLE models AS SELECT 'a' AS name, ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) AS model FROM clicks c;
INSERT INTO models SELECT 'b', ctr_train(c, ctr_deepcross('vector') || ctr_fit(ignore => '{id}', epochs => 1)) FROM clicks c;
INSERT INTO models VALUES ('none', NULL);
ANALYZE clicks, models;
SET max_parallel_workers_per_gather = 0;

-- the block scans of a statement's plan, and with analyze the rows that each has scored and read
CREATE FUNCTION block_scans(statement text, run boolean DEFAULT false) RETURNS TABLE (scores int, rows_read int) LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json, ANALYZE ' || run || ') ' || statement INTO plan;
    RETURN QUERY SELECT (node->>'Scores')::int, (node->'Plans'->0->>'Actual Rows')::float8::int
        FROM jsonb_path_query(plan::jsonb, '$.** ? (@."Custom Plan Provider" == "CtrBlockScan")') node GROUP BY node;
END $$;
CREATE VIEW a AS SELECT model FROM models WHERE name = 'a';

-- wherever a statement evaluates ctr_predict for many rows
SELECT statement, (SELECT count(*) FROM block_scans(statement)) AS scans FROM (VALUES
    ('SELECT ctr_predict(model, c) FROM clicks c, a'),
    ('SELECT ctr_predict_columns(model, ''clicks'', c.id, c.label, c.price, c.city) FROM clicks c, a'),
    ('SELECT sum(ctr_predict((TABLE a), c)) FROM clicks c'),
    ('SELECT city, avg(ctr_predict(model, c)) FROM clicks c, a GROUP BY city'),
    ('SELECT id FROM clicks c, a WHERE ctr_predict(model, c) > 0.5'),
    ('SELECT ctr_predict(model, c) FROM clicks c, a WHERE ctr_predict(model, c) > 0.5'),
    ('SELECT ctr_predict((SELECT model FROM models WHERE name = ''b''), c) FROM clicks c, a WHERE ctr_predict(model, c) > 0.5'),
    ('SELECT id FROM clicks c, a ORDER BY ctr_predict(model, c) LIMIT 10'),
    ('INSERT INTO clicks (price) SELECT ctr_predict(model, c) FROM clicks c, a'),
    ('UPDATE clicks c SET price = ctr_predict(model, c) FROM a'),
    ('DELETE FROM clicks c USING a WHERE ctr_predict(model, c) < 0.1'),
    ('SELECT ctr_predict(model, c) FROM (SELECT * FROM clicks OFFSET 0) c, a'),
    ('SELECT ctr_predict(model, c) FROM (SELECT id, label, price + 1 AS price, city FROM clicks) c, a'),
    ('SELECT coalesce(ctr_predict(model, c), 0) + 1 FROM clicks c, a')) s (statement);
-- not where it may not be evaluated, or somebody could see that rows are read ahead
SELECT statement, (SELECT count(*) FROM block_scans(statement)) AS scans FROM (VALUES
    ('SELECT CASE WHEN label = 1 THEN ctr_predict(model, c) END FROM clicks c, a'),
    ('SELECT id FROM clicks c, a WHERE label = 1 OR ctr_predict(model, c) > 0.5'),
    ('SELECT avg(ctr_predict(model, c)) FILTER (WHERE label = 1) FROM clicks c, a'),
    ('SELECT ctr_predict(model, c) FROM clicks c, a WHERE random() < 2'),
    ('SELECT ctr_predict(model, c) FROM (SELECT * FROM clicks FOR UPDATE) c, a'),
    ('SELECT ctr_predict(model, c) FROM (SELECT id, label, random() AS price, city FROM clicks) c, a')) s (statement);
SET ctr.block_scoring = off;
SELECT count(*) FROM block_scans('SELECT ctr_predict(model, c) FROM clicks c, a');
RESET ctr.block_scoring;
-- nor above a volatile qualification that follows a call, as its effects are seen row by row
CREATE SEQUENCE tickets;
CREATE FUNCTION ticket() RETURNS bigint LANGUAGE plpgsql VOLATILE COST 1000000 AS 'BEGIN RETURN nextval(''tickets''); END';
SELECT count(p), count(DISTINCT t) FROM (
    SELECT ctr_predict((SELECT model FROM models WHERE name = 'b'), c) AS p, currval('tickets') AS t
    FROM clicks c WHERE ctr_predict((TABLE a), c) >= 0 AND ticket() > 0 OFFSET 0) s;

-- LIMIT reads no more rows than it wants, and a sort below it keeps no more; with a filter it reads little ahead
SELECT * FROM block_scans('SELECT ctr_predict((TABLE a), c) FROM clicks c LIMIT 1', true);
SELECT * FROM block_scans('SELECT ctr_predict((TABLE a), c) FROM clicks c LIMIT 10 OFFSET 5', true);
SELECT * FROM block_scans('SELECT ctr_predict((TABLE a), c) FROM clicks c ORDER BY price, id LIMIT 7', true);
SELECT rows_read < 8 FROM block_scans('SELECT id FROM clicks c WHERE ctr_predict((TABLE a), c) > 0 LIMIT 3', true);
SELECT count(*) FROM (SELECT ctr_predict((TABLE a), c), 1 / (500 - id) FROM clicks c ORDER BY id LIMIT 499) s;
-- errors of rows read ahead are raised, as the guide says
SELECT try('SELECT id FROM clicks c WHERE 1 / (id - 7) < 9 AND ctr_predict((TABLE a), c) >= 0 LIMIT 4');
-- a LIMIT that is another each time is evaluated once
CREATE SEQUENCE asked;
SELECT count(p), (SELECT last_value FROM asked) FROM (SELECT ctr_predict((TABLE a), c) AS p FROM clicks c LIMIT 5 - nextval('asked')) s;
-- a cursor reads little ahead, too; where it may go backward, there are no blocks
BEGIN;
DECLARE forward NO SCROLL CURSOR FOR SELECT id, ctr_predict((TABLE a), c) IS NULL FROM clicks c ORDER BY id;
FETCH 2 FROM forward;
MOVE 1000 IN forward;
FETCH 1 FROM forward;
DECLARE back_and_forth SCROLL CURSOR FOR SELECT id, ctr_predict((TABLE a), c) IS NULL FROM clicks c WHERE id < 9;
FETCH 3 FROM back_and_forth;
FETCH BACKWARD 1 FROM back_and_forth;
DECLARE unsaid CURSOR FOR SELECT id, ctr_predict((TABLE a), c) IS NULL FROM clicks c;
MOVE 3 IN unsaid;
FETCH BACKWARD 1 FROM unsaid;
ROLLBACK;
-- fewer threads while a cursor is open
SET ctr.threads = 4;
BEGIN;
DECLARE threads NO SCROLL CURSOR FOR SELECT ctr_predict((TABLE a), c) AS p FROM clicks c;
SET ctr.threads = 1;
MOVE ALL IN threads;
ROLLBACK;
RESET ctr.threads;

-- rows that bring models in turn, and none
SELECT name, count(*), count(ctr_predict(model, c)), round(avg(ctr_predict(model, c))::numeric, 1) FROM models, clicks c GROUP BY name ORDER BY name;
SELECT name, n, round(p::numeric, 1) FROM models, LATERAL (SELECT count(*) AS n, avg(ctr_predict(model, c)) AS p FROM clicks c WHERE city <= 'c' || length(name)) s
    ORDER BY name;

-- the same as row by row, to the bit where the products are ours: what is IMMUTABLE depends on no setting and no plan
CREATE TABLE networks AS SELECT * FROM models;
INSERT INTO networks SELECT options::text, ctr_train(c, options || ctr_fit(ignore => '{id}', epochs => 1)) FROM clicks c,
    unnest(ARRAY[ctr_deepcross('mix'), ctr_fibinet(), ctr_fibinet(d_embed => 5, bilinear_type => 'field_each', mlp_layers => '{300,10}'),
        ctr_fibinet(bilinear_type => 'field_all'), ctr_deepfm(), ctr_wide_deep(mlp_layers => '{7,3}')]) options GROUP BY options;
CREATE TABLE scored AS SELECT id, name, ctr_predict(model, c) AS p FROM clicks c, networks;
SELECT count(DISTINCT p) > 3000 AS many FROM scored;
SET ctr.block_scoring = off;
CREATE FUNCTION alike(a float8, b float8) RETURNS boolean LANGUAGE sql AS $$ SELECT CASE
    WHEN (SELECT blas LIKE 'ctr''s %' FROM ctr_build_info()) THEN a IS NOT DISTINCT FROM b ELSE abs(a - b) < 1e-6 OR a IS NULL AND b IS NULL END $$;
SELECT name, count(*) FROM scored s JOIN clicks c USING (id) JOIN networks USING (name) WHERE NOT alike(p, ctr_predict(model, c)) GROUP BY name;
SELECT name, count(*) FROM (SELECT id, name, ctr_predict_batch(model, c) OVER () AS p FROM clicks c, networks) b JOIN scored s USING (id, name)
    WHERE NOT alike(s.p, b.p) GROUP BY name;
RESET ctr.block_scoring;

-- errors are those of ctr_predict, where it is called
SELECT try('SELECT sum(ctr_predict((TABLE a), c)) FROM (SELECT id, city FROM clicks) c');
INSERT INTO models SELECT 'three', ctr_train(c, ctr_deepcross(n_classes => 3) || ctr_fit(ignore => '{id}', epochs => 1))
    FROM (SELECT id, id % 3 AS label, price, city FROM clicks) c;
SELECT try('SELECT sum(ctr_predict(model, c)) FROM clicks c, models WHERE name = ''three''');

-- the right to EXECUTE is that of who runs the plan
CREATE ROLE regress_ctr_reader;
GRANT SELECT ON clicks, models, a TO regress_ctr_reader;
REVOKE EXECUTE ON FUNCTION ctr_predict(ctr_model, record) FROM PUBLIC;
SET ROLE regress_ctr_reader;
SELECT try('SELECT sum(ctr_predict((TABLE a), c)) FROM clicks c');
SELECT try('SELECT sum(ctr_predict((TABLE a), c)) FROM (SELECT * FROM clicks OFFSET 0) c');
RESET ROLE;
GRANT EXECUTE ON FUNCTION ctr_predict(ctr_model, record) TO PUBLIC;

-- a plan that is kept sees a table that changes, and a setting
PREPARE p AS SELECT count(ctr_predict(model, c)) FROM clicks c, a;
EXECUTE p;
ALTER TABLE clicks ADD COLUMN more int;
EXECUTE p;
SET ctr.block_scoring = off;
EXECUTE p;
RESET ctr.block_scoring;
DEALLOCATE p;
-- parallel workers run the plan that the leader has
SET ctr.block_scoring = off;
SET plan_cache_mode = force_generic_plan;
SET max_parallel_workers_per_gather = 1;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
PREPARE parallel AS SELECT sum(ctr_predict((TABLE a), c)) > 0 FROM clicks c;
EXECUTE parallel;
SET ctr.block_scoring = on;
SELECT count(*) FROM block_scans('EXECUTE parallel', true);
DEALLOCATE parallel;
DROP TABLE clicks, models, networks, scored CASCADE;
DROP FUNCTION alike, block_scans, ticket;
DROP SEQUENCE asked, tickets;
DROP ROLE regress_ctr_reader;
