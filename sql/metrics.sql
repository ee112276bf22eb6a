-- ctr_auc, ctr_logloss, ctr_evaluate: small exact cases
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;

-- scikit-learn's example; a perfect, a reversed and a constant score; ties count half
SELECT ctr_auc(y, s) FROM (VALUES (0, 0.1), (0, 0.4), (1, 0.35), (1, 0.8)) t(y, s);
SELECT ctr_auc(y, s) AS perfect, ctr_auc(y, -s) AS reversed, ctr_auc(y, 1) AS ties FROM (VALUES (0, 1), (0, 2), (1, 3), (1, 4)) t(y, s);
SELECT round(ctr_auc(y, s)::numeric, 12) AS some_ties FROM (VALUES (0, 1), (1, 1), (0, 2), (1, 2), (1, 3)) t(y, s);
SELECT ctr_auc(y > 0, s) = ctr_auc(y, s) AS boolean FROM (VALUES (0, 1), (1, 1), (0, 2), (1, 2), (1, 3)) t(y, s);
SELECT ctr_auc(y, s) IS NULL AS one_class FROM (VALUES (1, 0.5), (1, 0.7)) t(y, s);
SELECT ctr_auc(y, s) IS NULL AS no_rows FROM (VALUES (1, 0.5)) t(y, s) WHERE false;
SELECT ctr_auc(y, s) AS nulls_left_out FROM (VALUES (0, 0.1), (1, 0.2), (NULL, 0.9), (1, NULL)) t(y, s);
SELECT ctr_auc(y, s) AS infinities FROM (VALUES (0, '-Infinity'::float8), (1, 'Infinity'), (0, 0)) t(y, s);

-- against the definition: share of pairs in which the positive has the higher score
WITH t AS (SELECT (i * 7919 % 13 < 4)::int AS y, (i * 104729 % 17)::float8 AS s FROM generate_series(1, 400) i)
SELECT abs((SELECT ctr_auc(y, s) FROM t)
     - (SELECT avg(CASE WHEN p.s > n.s THEN 1.0 WHEN p.s = n.s THEN 0.5 ELSE 0 END) FROM t p, t n WHERE p.y = 1 AND n.y = 0)) < 1e-12 AS equal;

SELECT round(ctr_logloss(y, p)::numeric, 10) AS logloss FROM (VALUES (1, 0.9), (0, 0.1), (0, 0.2), (1, 0.65)) t(y, p);
SELECT round(ctr_logloss(y, p)::numeric, 6) AS clipped FROM (VALUES (1, 0.0), (0, 0.5)) t(y, p);
SELECT ctr_logloss(y = 1, p) = ctr_logloss(y, p) AS boolean FROM (VALUES (1, 0.9), (0, 0.1)) t(y, p);

-- as window aggregates and by group
SELECT g, round(ctr_auc(y, s)::numeric, 4) FROM (SELECT i % 2 AS g, (i % 3 = 0)::int AS y, (i * 31 % 7)::float8 AS s FROM generate_series(1, 60) i) t GROUP BY g ORDER BY g;
SELECT count(*), count(DISTINCT a) FROM (SELECT ctr_auc((i % 3 = 0)::int, i * 31 % 7) OVER (ORDER BY i) AS a FROM generate_series(1, 60) i) t;

-- errors
SELECT ctr_auc(2, 0.5);
SELECT ctr_auc(1, 'NaN'::float8);
SELECT ctr_logloss(1, 1.5);
SELECT ctr_logloss(0.3, 0.5);
-- ... with all the digits that tell a value from an allowed one, whatever the settings
SELECT ctr_logloss(1, 1.0000001);
SELECT ctr_logloss(0, -1e-300);
SET extra_float_digits = -10;
SELECT ctr_auc(0.99999999, 0.5);
RESET extra_float_digits;

-- ctr_evaluate agrees with the two on the scores of ctr_predict_batch, which come in blocks too
CREATE TEMP TABLE m AS SELECT ctr_train(c, ctr_fit(epochs => 3, ignore => '{id}')) AS model FROM clicks c;
SELECT e.rows = n AS rows, abs(e.auc - a) < 1e-9 AS auc, abs(e.loss - l) < 1e-9 AS loss, abs(e.accuracy - acc) < 1e-9 AS accuracy,
       abs(e.calibration - cal) < 1e-9 AS calibration, abs(e.normalized_entropy - l / h) < 1e-9 AS normalized_entropy
FROM (SELECT (ctr_evaluate(model, c)).* FROM m, clicks c) e,
     (SELECT count(*) AS n, ctr_auc(label, p) AS a, ctr_logloss(label, p) AS l, avg((label = (p > 0.5)::int)::int) AS acc, sum(p) / sum(label) AS cal,
             -avg(label) * ln(avg(label)) - (1 - avg(label)) * ln(1 - avg(label)) AS h
      FROM (SELECT label, ctr_predict_batch(model, c) OVER () AS p FROM m, clicks c) s) x;
-- groups, models and rows without a label in any order: rows wait for a block, but never for another group's or model's
CREATE TEMP TABLE two AS SELECT 1 AS k, model FROM m UNION ALL
SELECT 2, ctr_train(c, ctr_fibinet() || ctr_fit(epochs => 1, ignore => '{id}')) FROM clicks c;
CREATE TEMP TABLE mixed AS SELECT k, id % 3 AS g, c AS row FROM two, clicks c;
SET enable_sort = off; -- groups interleave
CREATE TEMP TABLE by_hash AS SELECT k, g, (e).* FROM (SELECT k, g, ctr_evaluate(model, row) AS e FROM mixed JOIN two USING (k) GROUP BY k, g) s;
RESET enable_sort;
SET enable_hashagg = off;
CREATE TEMP TABLE by_sort AS SELECT k, g, (e).* FROM (SELECT k, g, ctr_evaluate(model, row) AS e FROM mixed JOIN two USING (k) GROUP BY k, g) s;
RESET enable_hashagg;
SELECT count(*) AS groups, max(abs(a.loss - b.loss)) < 1e-6 AS loss, max(abs(a.auc - b.auc)) < 1e-3 AS auc FROM by_hash a JOIN by_sort b USING (k, g, rows);
SELECT max(abs(b.loss - x.l)) < 1e-6 AS loss FROM by_sort b
    JOIN (SELECT k, g, ctr_logloss((row).label, ctr_predict(model, row)) AS l FROM mixed JOIN two USING (k) GROUP BY k, g) x USING (k, g);
SELECT (e).rows, abs((e).loss - l) < 1e-6 AS loss FROM (SELECT ctr_evaluate(model, row ORDER BY (row).id, k) AS e FROM mixed JOIN two USING (k)) s,
    (SELECT sum(loss * rows) / sum(rows) AS l FROM by_sort) x;
-- as a window aggregate, read at every row; and in a subquery that starts again before it has ended
SELECT count(*) AS rows, max(r) AS last, count(*) FILTER (WHERE (e).rows = r) AS agree FROM
    (SELECT row_number() OVER (ORDER BY id) AS r, ctr_evaluate(model, c) OVER (ORDER BY id) AS e FROM m, clicks c WHERE id <= 300) s;
SELECT sum((SELECT (ctr_evaluate(model, c)).rows FROM m, clicks c WHERE c.id <= n)) AS rows FROM generate_series(1, 300, 37) n;
SELECT rows, loss IS NULL AS loss, auc IS NULL AS auc FROM (SELECT (ctr_evaluate(model, c)).* FROM m, clicks c WHERE false) e;
SELECT rows, auc IS NULL AS one_class, calibration IS NULL AS calibration FROM (SELECT (ctr_evaluate(model, c)).* FROM m, clicks c WHERE label = 0 AND id < 100) e;
SELECT (ctr_evaluate(model, c)).* FROM m, (SELECT id, city, device, price FROM clicks) c;
SELECT (ctr_evaluate(model, c)).* FROM m, (SELECT id, city, device, price, 5 AS label FROM clicks) c;
