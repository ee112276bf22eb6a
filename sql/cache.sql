-- Unpacked models stay in a backend as far as ctr.model_cache_size allows, while a query runs and afterwards.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
-- scores are compared to the bit, blocks are another order of sums: sql/blocks.sql
SET ctr.block_scoring = off;
CREATE TABLE cached AS SELECT i % 2 AS label, 'c' || i % 10 AS c FROM generate_series(1, 200) i;
CREATE TABLE cached_models AS
SELECT name, ctr_train(r, ctr_deepcross(mlp_layers => layers::int[]) || ctr_fit(epochs => 1)) AS model
FROM cached r, (VALUES ('a', '{200,200}'), ('b', '{201,200}'), ('large', '{900,900}')) v(name, layers)
GROUP BY name;

-- the models that are unpacked
CREATE VIEW unpacked AS SELECT count(*) AS models, coalesce(sum(total_bytes), 0) <= 2 * 1024 * 1024 AS fit
FROM pg_backend_memory_contexts WHERE name = 'ctr model';

-- scores by all models of these names, each at a call site of its own
CREATE FUNCTION scored_by(names text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE good boolean;
BEGIN
    EXECUTE 'SELECT '
        || (SELECT string_agg(format('ctr_predict((SELECT model FROM cached_models WHERE name = %L), r) > 0',
                                     n), ' AND ') FROM unnest(names) n)
        || ' FROM cached r LIMIT 1' INTO good;
    RETURN good;
END $$;

-- both fit
SELECT scored_by('{a,b}');
SELECT * FROM unpacked;

-- the setting is lowered: the one used last stays
SET ctr.model_cache_size = '2MB';
SELECT * FROM unpacked;

-- a query may hold more, but not beyond its end
SELECT scored_by('{a,b}');
SELECT * FROM unpacked;
SELECT scored_by('{large}');
SELECT * FROM unpacked;

-- also when it ends with an error
SELECT ctr_predict(model, r), 1 / (row_number() OVER () - 30) FROM cached r, cached_models;
SELECT * FROM unpacked;
BEGIN;
SAVEPOINT s;
SELECT ctr_predict(model, r), 1 / (row_number() OVER () - 30) FROM cached r, cached_models;
ROLLBACK TO s;
SELECT * FROM unpacked;
DECLARE half CURSOR FOR SELECT ctr_predict(model, r) > 0 AS p FROM cached r, cached_models ORDER BY name DESC;
FETCH half;
ROLLBACK;
SELECT * FROM unpacked;

-- a setting that a transaction raised and took back
BEGIN;
SET LOCAL ctr.model_cache_size = '100MB';
SELECT scored_by('{a,b,large}');
SELECT models FROM unpacked;
ROLLBACK;
SELECT * FROM unpacked;

DROP VIEW unpacked;
DROP FUNCTION scored_by;
DROP TABLE cached, cached_models;
