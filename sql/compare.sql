-- models have an order, that of their digests: what sorts, merges or looks for equal ones can do so
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;

CREATE TABLE facts AS
SELECT i AS id, (i % 3 = 0)::int AS label, i % 7 AS price, 'c' || i % 5 AS city
FROM generate_series(1, 200) i;
CREATE TABLE compared AS
SELECT seed, ctr_train(f, ctr_fit(epochs => 1, seed => seed, ignore => '{id}')) AS model
FROM facts f, generate_series(1, 4) seed GROUP BY seed;
INSERT INTO compared SELECT seed + 4, model FROM compared; -- each twice

-- each pair is less, equal or greater, and all operators agree
SELECT count(*) AS pairs, count(*) FILTER (WHERE a.model < b.model) AS less,
       count(*) FILTER (WHERE a.model = b.model) AS equal,
       count(*) FILTER (WHERE (a.model < b.model) = (a.model >= b.model)
                              OR (a.model > b.model) = (a.model <= b.model)
           OR (a.model <= b.model) <> (a.model < b.model OR a.model = b.model)
               OR (a.model < b.model) <> (b.model > a.model)
           OR (a.model >= b.model) <> (b.model <= a.model) OR (a.model = b.model) = (a.model <> b.model)
           OR sign(ctr_model_cmp(a.model, b.model)) <> CASE WHEN a.model < b.model THEN -1
               WHEN a.model > b.model THEN 1 ELSE 0 END) AS contradictions
FROM compared a, compared b;

-- sorted, distinct, in windows and merged
SET enable_hashagg = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) AS distinct_models FROM (SELECT DISTINCT model FROM compared) s;
SELECT count(DISTINCT model) AS distinct_models FROM compared;
SELECT count(*) FILTER (WHERE model < before) AS out_of_order
FROM (SELECT model, lag(model) OVER (ORDER BY model) AS before FROM compared) s;
SELECT seed, count(*) OVER (PARTITION BY model) AS alike FROM compared ORDER BY seed;
SELECT count(*) AS alike FROM (SELECT model FROM compared UNION SELECT model FROM compared) s;
EXPLAIN (COSTS OFF) SELECT 1 FROM compared a JOIN compared b USING (model);
SELECT count(*) AS joined FROM compared a JOIN compared b USING (model);
SELECT count(*) AS equal FROM (SELECT min(seed) FROM compared GROUP BY model ORDER BY model) s;
RESET enable_hashagg;
RESET enable_hashjoin;
RESET enable_nestloop;

-- a btree index has no room for a model; a hash index has, and a constraint can use it
\set VERBOSITY sqlstate
CREATE INDEX ON compared (model);
\set VERBOSITY terse
CREATE INDEX compared_hash ON compared USING hash (model);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    RETURN plan::text;
END $$;
SELECT plan_of('SELECT seed FROM compared WHERE model = (SELECT model FROM compared '
               'WHERE seed = 2)') LIKE '%"compared_hash"%' AS index_used;
SELECT seed FROM compared WHERE model = (SELECT model FROM compared WHERE seed = 2) ORDER BY seed;
RESET enable_seqscan;
RESET enable_bitmapscan;
DELETE FROM compared WHERE seed > 4;
ALTER TABLE compared ADD CONSTRAINT compared_once EXCLUDE USING hash (model WITH =);
INSERT INTO compared SELECT 9, model FROM compared WHERE seed = 2;
ANALYZE compared;

-- nothing but a value's first slice is read
CREATE TABLE large AS
SELECT k, ctr_train(f, ctr_deepcross(mlp_layers => '{1500,1500}') || ctr_fit(epochs => 1, seed => k,
    ignore => '{id}')) AS model FROM facts f, generate_series(1, 2) k GROUP BY k;
SELECT min(length(model::bytea)) > 8000000 AS large, count(DISTINCT model) AS models FROM large;
SELECT substring(plan_of('SELECT count(*) FROM large a, large b '
                         'WHERE a.model < b.model OR a.model = b.model')
                         FROM '"Shared Hit Blocks": (\d+)')::int < 200 AS few_blocks;
DROP FUNCTION plan_of;
DROP TABLE facts, compared, large;
