-- ctr_evaluate: its numbers, its groups, and what is nothing to evaluate
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;

CREATE TEMP TABLE clicks AS
SELECT i AS id, ((i * 7919) % 100 < CASE WHEN (city = 'a') = (device = 'x') THEN 80
                 ELSE 15 END)::int AS label,
       city, device, CASE WHEN i % 10 = 0 THEN NULL ELSE (i * 31 % 997)::float8 END AS price
FROM generate_series(1, 2000) i,
     LATERAL (SELECT CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END AS city, CASE i / 3 % 2 WHEN 0 THEN 'x'
                  ELSE 'y' END AS device) f;

-- ctr_evaluate agrees with the two on the scores of ctr_predict_batch, which come in blocks too
CREATE TEMP TABLE m AS SELECT ctr_train(c, ctr_fit(epochs => 3, ignore => '{id}')) AS model FROM clicks c;
SELECT e.rows = n AS rows, abs(e.auc - a) < 1e-9 AS auc, abs(e.loss - l) < 1e-9 AS loss,
       abs(e.accuracy - acc) < 1e-9 AS accuracy,
       abs(e.calibration - cal) < 1e-9 AS calibration,
       abs(e.normalized_entropy - l / h) < 1e-9 AS normalized_entropy
FROM (SELECT (ctr_evaluate(model, c)).* FROM m, clicks c) e,
     (SELECT count(*) AS n, ctr_auc(label, p) AS a, ctr_logloss(label, p) AS l,
             avg((label = (p > 0.5)::int)::int) AS acc, sum(p) / sum(label) AS cal,
             -avg(label) * ln(avg(label)) - (1 - avg(label)) * ln(1 - avg(label)) AS h
      FROM (SELECT label, ctr_predict_batch(model, c) OVER () AS p FROM m, clicks c) s) x;

-- groups, models and rows without a label in any order: rows wait for a block, but never for another
-- group's or model's
CREATE TEMP TABLE two AS SELECT 1 AS k, model FROM m UNION ALL
SELECT 2, ctr_train(c, ctr_fibinet() || ctr_fit(epochs => 1, ignore => '{id}')) FROM clicks c;
CREATE TEMP TABLE mixed AS SELECT k, id % 3 AS g, c AS row FROM two, clicks c;
SET enable_sort = off; -- groups interleave
CREATE TEMP TABLE by_hash AS
SELECT k, g, (e).* FROM (SELECT k, g, ctr_evaluate(model, row) AS e FROM mixed JOIN two USING (k)
                         GROUP BY k, g) s;
RESET enable_sort;
SET enable_hashagg = off;
CREATE TEMP TABLE by_sort AS
SELECT k, g, (e).* FROM (SELECT k, g, ctr_evaluate(model, row) AS e FROM mixed JOIN two USING (k)
                         GROUP BY k, g) s;
RESET enable_hashagg;
SELECT count(*) AS groups, max(abs(a.loss - b.loss)) < 1e-6 AS loss, max(abs(a.auc - b.auc)) < 1e-3 AS auc
FROM by_hash a JOIN by_sort b USING (k, g, rows);
SELECT max(abs(b.loss - x.l)) < 1e-6 AS loss FROM by_sort b
    JOIN (SELECT k, g, ctr_logloss((row).label, ctr_predict(model, row)) AS l FROM mixed JOIN two USING (k)
          GROUP BY k, g) x USING (k, g);

-- as a window aggregate, read at every row; and in a subquery that starts again before it has ended
SELECT count(*) AS rows, max(r) AS last, count(*) FILTER (WHERE (e).rows = r) AS agree FROM
    (SELECT row_number() OVER (ORDER BY id) AS r, ctr_evaluate(model, c) OVER (ORDER BY id) AS e
     FROM m, clicks c WHERE id <= 300) s;
SELECT sum((SELECT (ctr_evaluate(model, c)).rows FROM m, clicks c WHERE c.id <= n)) AS rows
FROM generate_series(1, 300, 37) n;
SELECT rows, auc IS NULL AS one_class, calibration IS NULL AS calibration
FROM (SELECT (ctr_evaluate(model, c)).* FROM m, clicks c WHERE label = 0 AND id < 100) e;
SELECT (ctr_evaluate(model, c)).* FROM m, (SELECT id, city, device, price FROM clicks) c;
SELECT (ctr_evaluate(model, c)).* FROM m, (SELECT id, city, device, price, 5 AS label FROM clicks) c;

-- one group, one model: also where the parts of a plan have seen one each
SELECT ctr_evaluate(model, row ORDER BY (row).id, k) FROM mixed JOIN two USING (k);
SELECT ctr_evaluate(model, c) FROM two, clicks c;
SELECT count(e) AS models FROM (SELECT ctr_evaluate(model, c) AS e FROM two, clicks c GROUP BY model) s;

-- partitions that are aggregated apart and combined
CREATE TABLE apart (k int, id int, label int, city text, device text, price float8) PARTITION BY LIST (k);
CREATE TABLE apart_1 PARTITION OF apart FOR VALUES IN (1);
CREATE TABLE apart_2 PARTITION OF apart FOR VALUES IN (2);
INSERT INTO apart SELECT 1 + (id > 1000)::int, c.* FROM clicks c;
CREATE FUNCTION in_parts(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan::text LIKE '%"Partial"%';
END $$;
SET enable_partitionwise_aggregate = on;
SET max_parallel_workers_per_gather = 0;
\set one 'SELECT (ctr_evaluate((SELECT model FROM two WHERE k = 1), a)).rows FROM apart a'
\set several 'SELECT ctr_evaluate(CASE k WHEN 1 THEN (SELECT model FROM two WHERE k = 1) ELSE (SELECT model FROM two WHERE k = 2) END, a) FROM apart a'
SELECT in_parts(:'one') AND in_parts(:'several') AS in_parts;
:one;
:several;
RESET enable_partitionwise_aggregate;
RESET max_parallel_workers_per_gather;

-- nothing to evaluate: NULL and one warning
\set VERBOSITY default
SELECT ctr_evaluate(model, c) IS NULL AS no_rows FROM m, clicks c WHERE false;
SELECT ctr_evaluate((SELECT model FROM m WHERE false), c) IS NULL AS no_model FROM clicks c;
SELECT ctr_evaluate(model, c) IS NULL AS no_label
FROM m, (SELECT id, NULL::int AS label, city, device, price FROM clicks) c;
SELECT count(*) AS groups, count(e) AS evaluated
FROM (SELECT id % 10, ctr_evaluate(model, c) FILTER (WHERE id % 10 = 1) AS e FROM m, clicks c
      GROUP BY id % 10) s;
SELECT count(*) AS rows, count(e) AS evaluated
FROM (SELECT ctr_evaluate(model, c) OVER (ORDER BY id ROWS BETWEEN 5 PRECEDING AND 3 PRECEDING) AS e
      FROM m, clicks c WHERE id <= 20) s;
SELECT (ctr_evaluate((SELECT model FROM m WHERE false), c)).* FROM clicks c;
\set VERBOSITY terse

-- the form that README shows evaluates once; (ctr_evaluate((SELECT ...), c)).* would do it for each column
CREATE FUNCTION evaluations(query text) RETURNS TABLE (aggregates bigint, scans bigint) LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    aggregates := 0;
    scans := 0;
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        aggregates := aggregates + (SELECT count(*) FROM regexp_matches(line, 'ctr_evaluate\(', 'g'));
        scans := scans + (line ~ 'Scan on .*clicks')::int;
    END LOOP;
    RETURN NEXT;
END $$;
SELECT *
FROM evaluations('SELECT (e).* FROM (SELECT ctr_evaluate((SELECT model FROM m), c) AS e FROM clicks c) s');
SELECT *
FROM evaluations('SELECT k, (e).* FROM (SELECT k, ctr_evaluate(t.model, c) AS e '
                 'FROM two t, clicks c GROUP BY k) s');
DROP TABLE apart;
DROP FUNCTION in_parts, evaluations;

-- parts that are evaluated apart, of rows in any proportion, give what all rows give
CREATE TEMP TABLE parts AS SELECT k, g, ctr_evaluate_part(model, row) AS part FROM mixed JOIN two USING (k) GROUP BY k, g;
SELECT k, (p.e).rows = (w.e).rows AS rows, (p.e).auc = (w.e).auc AS auc, (p.e).accuracy = (w.e).accuracy AS accuracy, abs((p.e).loss - (w.e).loss) < 1e-12 AS loss,
       abs((p.e).calibration - (w.e).calibration) < 1e-12 AS calibration
FROM (SELECT k, ctr_evaluate_merge(part) AS e FROM parts GROUP BY k) p JOIN (SELECT k, ctr_evaluate(model, row) AS e FROM mixed JOIN two USING (k) GROUP BY k) w USING (k) ORDER BY k;
SELECT ctr_evaluate_part(model, c) IS NULL AS no_rows FROM m, clicks c WHERE false;
SELECT ctr_evaluate_merge(NULL) IS NULL AS no_parts;
-- of different models they are no parts of one; other bytes are none, and what remains of forged ones is in bounds
SELECT ctr_evaluate_merge(part) FROM parts;
SELECT ctr_evaluate_merge(substr(part, 1, n)) FROM parts, (VALUES (0), (3), (100), (1000)) v(n) WHERE k = 1 AND n = 1000;
CREATE FUNCTION pg_temp.forged(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    RETURN (SELECT (ctr_evaluate_merge(b)).rows FROM (SELECT bytes AS b UNION ALL SELECT part FROM parts WHERE k = 1 AND g = 0) f);
EXCEPTION WHEN invalid_binary_representation OR invalid_parameter_value THEN RETURN SQLSTATE; END $$;
SELECT count(*) FILTER (WHERE r = '22P03') > 50 AS refused, count(*) FILTER (WHERE r = '22023') AS other_models
FROM (SELECT pg_temp.forged(set_byte(part, n, (get_byte(part, n) + d) % 256)) AS r FROM parts, generate_series(0, 175) n, (VALUES (1), (128), (255)) v(d) WHERE k = 1 AND g = 1
      UNION ALL SELECT pg_temp.forged(substr(part, 1, n)) FROM parts, generate_series(0, 400, 7) n WHERE k = 1 AND g = 1
      UNION ALL SELECT pg_temp.forged(set_byte(part, 64, 3)) FROM parts WHERE k = 1 AND g = 1) f;
-- the same digest, but another number of classes
SELECT pg_temp.forged(set_byte(substr(part, 1, 128), 64, 3) || '\x0000000000000000') FROM parts WHERE k = 1 AND g = 1;
