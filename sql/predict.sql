-- scoring: features by name, models from everywhere, errors
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
-- scores are compared to the bit, blocks are another order of sums: sql/blocks.sql
SET ctr.block_scoring = off;
\i sql/clicks.psql
\i sql/try.psql
\pset null '-'

-- column order, extra columns and the label do not matter
SELECT bool_and(p = p2 AND p = p3 AND p = p4) AS by_name FROM (
  SELECT ctr_predict(model, c) AS p,
         ctr_predict(model, (SELECT r FROM (SELECT c.price, c.device, c.city) r)) AS p2,
         ctr_predict(model, (SELECT r FROM (SELECT 'more' AS extra, now() AS at, c.city, c.price, c.device,
             3 AS label) r)) AS p3,
         ctr_predict(model, (SELECT r FROM (SELECT c.city::varchar(10), c.device::name, c.price::numeric) r))
             AS p4
  FROM models, clicks c WHERE name = 'fit') t;

-- NULL and new categories are values, not errors; a NULL model or row gives NULL
SELECT ctr_predict(model, ROW(1, NULL, NULL, NULL, NULL)::clicks) BETWEEN 0 AND 1 AS all_null,
       ctr_predict(model, ROW(1, NULL, 'never', 'seen', 'Infinity')::clicks) BETWEEN 0 AND 1 AS unseen,
       ctr_predict(model, ROW(1, NULL, 'never', 'seen', 'NaN')::clicks) = ctr_predict(model,
           ROW(1, NULL, 'else', 'new', NULL)::clicks) AS one_unseen,
       ctr_predict(model, NULL::clicks) AS no_row,
       ctr_predict(NULL, ROW(1, 1, 'a', 'b', 2)::clicks) AS no_model
FROM models WHERE name = 'fit';

-- two classes of a model of one
SELECT bool_and(cardinality(k) = 2 AND abs(k[1] + k[2] - 1) < 1e-12
                AND k[2] = ctr_predict(model, c)) AS classes
FROM models, clicks c, LATERAL (SELECT ctr_predict_classes(model, c) AS k) s WHERE name = 'fit';

-- the window function gives the same numbers, over partitions, frames, LIMIT, NULL models and rows
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same FROM (
  SELECT ctr_predict(model, c) AS p, ctr_predict_batch(model, c) OVER () AS b FROM models, clicks c
  WHERE name = 'fit') t;
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same FROM (
  SELECT ctr_predict(model, c) AS p, ctr_predict_batch(model, c) OVER (PARTITION BY city ORDER BY id) AS b
  FROM models, clicks c WHERE name = 'fit') t;
SELECT count(*) AS rows, count(b) AS scored FROM (
  SELECT ctr_predict_batch(CASE WHEN id % 3 > 0 THEN model END, CASE WHEN id % 5 > 0 THEN c END) OVER () AS b
  FROM models, clicks c WHERE name = 'fit') t;
SELECT count(*) FROM (SELECT ctr_predict_batch(model, c) OVER () FROM models, clicks c
                      WHERE name = 'fit' LIMIT 10) t;

-- models that come as values, not as pointers into a TOAST table: the window function reads them in the
-- slot that its rows share
WITH m AS MATERIALIZED (SELECT name, model::bytea::ctr_model AS model FROM models WHERE name = 'fit')
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same FROM (
  SELECT ctr_predict(model, c) AS p, ctr_predict_batch(model, c) OVER () AS b FROM m, clicks c) t;

-- several models in one query, side by side and in turn
INSERT INTO models
SELECT 'other', ctr_train(c, ctr_fit(epochs => 1, seed => 9, ignore => '{id,price}')) FROM clicks c;
CREATE TABLE alone AS SELECT name, id, ctr_predict(model, c) AS p FROM models, clicks c WHERE name = 'fit';
INSERT INTO alone SELECT name, id, ctr_predict(model, c) AS p FROM models, clicks c WHERE name = 'other';
SELECT bool_or(abs(f.p - o.p) > 0.01) AS models_differ FROM alone f JOIN alone o USING (id)
WHERE f.name = 'fit' AND o.name = 'other';
SELECT count(*), bool_and(abs(ctr_predict(m1.model, c) - a1.p) < 1e-12
                          AND abs(ctr_predict(m2.model, c) - a2.p) < 1e-12) AS side_by_side
FROM models m1, models m2, clicks c, alone a1, alone a2
WHERE m1.name = 'fit' AND m2.name = 'other' AND (a1.name, a1.id) = (m1.name, c.id)
    AND (a2.name, a2.id) = (m2.name, c.id);
SELECT count(*), bool_and(abs(p - q) < 1e-12 AND abs(p - b) < 1e-6) AS in_turn FROM (
  SELECT a.p, ctr_predict(model, c) AS q, ctr_predict_batch(model, c) OVER (ORDER BY c.id, m.name) AS b
  FROM models m, clicks c, alone a WHERE (a.name, a.id) = (m.name, c.id)) t;

-- also with a cache too small for both
SET ctr.model_cache_size = '1MB';
SELECT count(DISTINCT p) > 10 AS small_cache
FROM (SELECT ctr_predict(model, c) AS p FROM models, clicks c ORDER BY id, name) t;
RESET ctr.model_cache_size;

-- models from a CTE, an InitPlan, a PL/pgSQL variable, a prepared statement, a sub-select, a cast
SELECT round(sum(ctr_predict(model, c))::numeric, 3) AS total FROM models, clicks c WHERE name = 'fit' \gset
WITH m AS MATERIALIZED (SELECT model FROM models WHERE name = 'fit')
SELECT round(sum(ctr_predict(model, c))::numeric, 3) = :total AS cte FROM m, clicks c;
SELECT round(sum(ctr_predict((SELECT model FROM models WHERE name = 'fit'), c))::numeric,
             3) = :total AS initplan FROM clicks c;
DO $$
DECLARE m ctr_model; total numeric := 0; r clicks;
BEGIN
    SELECT model INTO m FROM models WHERE name = 'fit';
    FOR r IN SELECT * FROM clicks LOOP total := total + ctr_predict(m, r); END LOOP;
    PERFORM set_config('ctr_test.total', round(total, 3)::text, false);
END $$;
SELECT current_setting('ctr_test.total')::numeric = :total AS plpgsql;

-- a prepared statement, and a cast
PREPARE score(text) AS SELECT round(sum(ctr_predict(model, c))::numeric, 3) FROM models, clicks c
                       WHERE name = $1;
EXECUTE score('fit') \gset first_
EXECUTE score('fit') \gset second_
SELECT :first_round = :total AND :second_round = :total AS prepared;
SELECT bool_and(ctr_predict(model::bytea::ctr_model, c) = ctr_predict(model, c)) AS casts
FROM models, clicks c WHERE name = 'fit' AND id < 20;

-- a model that comes out of TOAST in several slices, and in one piece in another session
INSERT INTO models
SELECT 'large', ctr_train(c, ctr_deepcross(mlp_layers => '{800,800}') || ctr_fit(epochs => 1,
    ignore => '{id}')) FROM clicks c;
\c -
SET ctr.block_scoring = off;
SET client_min_messages = warning;
CREATE TABLE whole AS WITH m AS MATERIALIZED (SELECT model::bytea::ctr_model AS model FROM models
    WHERE name = 'large')
    SELECT id, ctr_predict(model, c) AS p FROM m, clicks c;
\c -
SET ctr.block_scoring = off;
SET client_min_messages = warning;
SELECT octet_length(model::bytea) > 2 * 1024 * 1024 AS large, s.* FROM models,
    LATERAL (SELECT count(*) AS rows,
                    count(*) FILTER (WHERE p IS DISTINCT FROM ctr_predict(model, c)) AS differ FROM clicks c
                    JOIN whole USING (id)) s WHERE name = 'large';
DROP TABLE whole;
DELETE FROM models WHERE name = 'large';

-- the threads of ctr_predict_batch change no bit; nor do partitions, LIMIT, or NULLs among the rows
SET ctr.threads = 1;
CREATE TEMP TABLE one_thread AS
SELECT id, ctr_predict_batch(model, CASE WHEN id % 97 > 0 THEN c END) OVER () AS p FROM models, clicks c
WHERE name = 'fit';
SET ctr.threads = 4;
SELECT count(*) AS rows, count(*) FILTER (WHERE a.p IS DISTINCT FROM b.p) AS differ FROM one_thread a JOIN
    (SELECT id, ctr_predict_batch(model, CASE WHEN id % 97 > 0 THEN c END) OVER () AS p FROM models, clicks c
     WHERE name = 'fit') b USING (id);
SELECT count(*) AS rows, count(*) FILTER (WHERE a.p <> b.p) AS differ FROM one_thread a JOIN
    (SELECT id, ctr_predict_batch(model, c) OVER (PARTITION BY id % 3) AS p FROM models, clicks c
     WHERE name = 'fit') b USING (id);
SELECT count(p) AS limited FROM (SELECT ctr_predict_batch(model, c) OVER () AS p FROM models, clicks c
                                 WHERE name = 'fit' LIMIT 1500) s;

-- rows are read while others are scored: another model among them, NULLs, and an error, after which the
-- next query has its threads
CREATE TEMP TABLE many AS
SELECT row_number() OVER (ORDER BY g, id) AS n, c.*
FROM generate_series(1, 1 + 9000 / (SELECT count(*) FROM clicks)) g, clicks c;
SELECT count(*) > 9000 AS many,
       count(*) FILTER (WHERE n % 777 > 9 AND abs(p - b) < 1e-6) + count(*) FILTER (WHERE n % 777 < 10
           AND b IS NULL) = count(*) AS agree, count(DISTINCT name) AS models FROM (
  SELECT n, name, ctr_predict(model, c) AS p,
         ctr_predict_batch(model, CASE WHEN n % 777 > 9 THEN c.* END) OVER (ORDER BY n) AS b
  FROM models JOIN many c ON name = CASE WHEN n / 2900 % 2 = 0 THEN 'fit' ELSE 'other' END) s;
SELECT e.*
FROM try('SELECT sum(b) FROM (SELECT ctr_predict_batch(model, CASE WHEN 1 / (n - 8000) < 2 THEN c.* END) '
         'OVER (ORDER BY n) AS b FROM models, many c WHERE name = ''fit'') s') e;
SELECT e.*
FROM try('SELECT sum(b) FROM (SELECT ctr_predict_batch(model, CASE WHEN 1 / (n - 1700) < 2 THEN c.* END) '
         'OVER (ORDER BY n) AS b FROM models, many c WHERE name = ''fit'') s') e;
SELECT count(b) > 9000 AS after
FROM (SELECT ctr_predict_batch(model, c) OVER (ORDER BY n) AS b FROM models, many c WHERE name = 'fit') s;

-- a model that another call in the row's expression uses meanwhile
SELECT count(*) FILTER (WHERE abs(p - b) < 1e-6) = count(*) AS agree FROM (
  SELECT ctr_predict(model, (SELECT r FROM (SELECT c.city, c.device, ctr_predict(model, c) AS price) r)) AS p,
         ctr_predict_batch(model, (SELECT r FROM (SELECT c.city, c.device, ctr_predict(model, c) AS price) r))
             OVER (ORDER BY n) AS b
  FROM models, many c WHERE name = 'fit') s;

-- arguments that are not the same when they are evaluated again: NULL or not, one model or the other, one
-- row type or another
CREATE FUNCTION either(city text, device text, price float8) RETURNS record LANGUAGE plpgsql VOLATILE AS
$$ BEGIN IF random() < 0.5 THEN RETURN (SELECT r FROM (SELECT city, device, price) r);
ELSE RETURN (SELECT r FROM (SELECT price, device, city) r); END IF; END $$;
SELECT count(*) = (SELECT count(*) FROM many) AS rows, count(b) BETWEEN 1000 AND count(*) - 1000 AS some_null
FROM (
  SELECT ctr_predict_batch(model, CASE WHEN random() < 0.5 THEN c.* END) OVER () AS b FROM models, many c
  WHERE name = 'fit') s;
SELECT count(*) = (SELECT count(*) FROM many) AS rows, count(b) BETWEEN 1000 AND count(*) - 1000 AS some_null
FROM (
  SELECT ctr_predict_batch(CASE WHEN random() < 0.5 THEN model END, c) OVER () AS b FROM models, many c
  WHERE name = 'fit') s;
SELECT count(*) FILTER (WHERE abs(p - b) < 1e-6 OR abs(q - b) < 1e-6) AS one_or_the_other,
       bool_or(p <> q) AS differ FROM (
  SELECT ctr_predict(f.model, c) AS p, ctr_predict(o.model, c) AS q,
         ctr_predict_batch(CASE WHEN random() < 0.5 THEN f.model ELSE o.model END, c) OVER () AS b
  FROM models f, models o, (SELECT * FROM many ORDER BY n LIMIT 1000) c
  WHERE f.name = 'fit' AND o.name = 'other') s;
SELECT count(*) FILTER (WHERE abs(p - b) < 1e-6) AS either_type FROM (
  SELECT ctr_predict(model, c) AS p, ctr_predict_batch(model, either(city, device, price)) OVER () AS b
  FROM models, (SELECT * FROM many ORDER BY n LIMIT 1000) c WHERE name = 'fit') s;

-- a row's score does not depend on those beside it
SELECT count(*) FILTER (WHERE a.b IS DISTINCT FROM s.b) AS differ FROM
  (SELECT n, ctr_predict_batch(model, c) OVER (PARTITION BY n) AS b FROM models, many c
   WHERE name = 'fit' AND n <= 300) a JOIN
  (SELECT n, ctr_predict_batch(model, c) OVER () AS b FROM models, many c WHERE name = 'fit') s USING (n);
CREATE OPERATOR @@@@ (LEFTARG = ctr_model, RIGHTARG = record, FUNCTION = ctr_predict_batch);
SELECT e.* FROM try('SELECT model @@@@ c FROM models, clicks c WHERE name = ''fit''') e;
DROP OPERATOR @@@@ (ctr_model, record);
DROP FUNCTION either;
DROP TABLE many;
RESET ctr.threads;

-- a row's value comes back after rollback and after the model is replaced
BEGIN;
UPDATE models SET model = (SELECT model FROM models WHERE name = 'other') WHERE name = 'fit';
SELECT round(sum(ctr_predict(model, c))::numeric, 3) = :total AS replaced FROM models, clicks c
WHERE name = 'fit';
ROLLBACK;
SELECT round(sum(ctr_predict(model, c))::numeric, 3) = :total AS back FROM models, clicks c
WHERE name = 'fit';

-- what the network sees
SELECT cardinality(x_num) AS x_num, cardinality(x_cat) AS x_cat, x_cat
FROM models, ctr_encode(model, ROW(1, 0, NULL, 'never', 5)::clicks) WHERE name = 'fit';

-- errors
CREATE TABLE wrong AS SELECT 1 AS label, 'a' AS city;
SELECT e.* FROM (VALUES
 ('SELECT ctr_predict(model, w) FROM models, wrong w WHERE name = ''fit'''),
 ('SELECT ctr_predict(model, w) FROM models, (SELECT city, device, city AS price FROM clicks) w '
  'WHERE name = ''fit'''),
 ('SELECT ctr_predict(model, w) FROM models, (SELECT city, city, device, price FROM clicks) w '
  'WHERE name = ''fit'''),
 ('SELECT ctr_predict(model, 1) FROM models'),
 ('SELECT ctr_predict_batch(model, c) FROM models, clicks c')
) q(query), try(query) e;

-- cheap filters run before the model
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP lines := lines || line; END LOOP;
    RETURN lines;
END $$;
SELECT plan('SELECT 1 FROM clicks c WHERE ctr_predict((SELECT model FROM models '
            'WHERE name = ''fit''), c) > 0.5 AND id < 10')
    LIKE '%Filter: ((id < 10) AND (ctr_predict%' AS cheap_first;
DROP FUNCTION plan;
DROP TABLE wrong, alone;
