-- ctr_auc, ctr_logloss: small exact cases
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;

-- scikit-learn's example; a perfect, a reversed and a constant score; ties count half
SELECT ctr_auc(y, s) FROM (VALUES (0, 0.1), (0, 0.4), (1, 0.35), (1, 0.8)) t(y, s);
SELECT ctr_auc(y, s) AS perfect, ctr_auc(y, -s) AS reversed, ctr_auc(y, 1) AS ties
FROM (VALUES (0, 1), (0, 2), (1, 3), (1, 4)) t(y, s);
SELECT round(ctr_auc(y, s)::numeric, 12) AS some_ties
FROM (VALUES (0, 1), (1, 1), (0, 2), (1, 2), (1, 3)) t(y, s);
SELECT ctr_auc(y > 0, s) = ctr_auc(y, s) AS boolean
FROM (VALUES (0, 1), (1, 1), (0, 2), (1, 2), (1, 3)) t(y, s);
SELECT ctr_auc(y, s) IS NULL AS one_class FROM (VALUES (1, 0.5), (1, 0.7)) t(y, s);
SELECT ctr_auc(y, s) IS NULL AS no_rows FROM (VALUES (1, 0.5)) t(y, s) WHERE false;
SELECT ctr_auc(y, s) AS nulls_left_out FROM (VALUES (0, 0.1), (1, 0.2), (NULL, 0.9), (1, NULL)) t(y, s);
SELECT ctr_auc(y, s) AS infinities FROM (VALUES (0, '-Infinity'::float8), (1, 'Infinity'), (0, 0)) t(y, s);

-- against the definition: share of pairs in which the positive has the higher score
WITH t AS (SELECT (i * 7919 % 13 < 4)::int AS y, (i * 104729 % 17)::float8 AS s
           FROM generate_series(1, 400) i)
SELECT abs((SELECT ctr_auc(y, s) FROM t)
     - (SELECT avg(CASE WHEN p.s > n.s THEN 1.0 WHEN p.s = n.s THEN 0.5 ELSE 0 END) FROM t p, t n
        WHERE p.y = 1 AND n.y = 0)) < 1e-12 AS equal;

SELECT round(ctr_logloss(y, p)::numeric, 10) AS logloss
FROM (VALUES (1, 0.9), (0, 0.1), (0, 0.2), (1, 0.65)) t(y, p);
SELECT round(ctr_logloss(y, p)::numeric, 6) AS clipped FROM (VALUES (1, 0.0), (0, 0.5)) t(y, p);
SELECT ctr_logloss(y = 1, p) = ctr_logloss(y, p) AS boolean FROM (VALUES (1, 0.9), (0, 0.1)) t(y, p);

-- as window aggregates and by group
SELECT g, round(ctr_auc(y, s)::numeric, 4)
FROM (SELECT i % 2 AS g, (i % 3 = 0)::int AS y, (i * 31 % 7)::float8 AS s FROM generate_series(1, 60) i) t
GROUP BY g ORDER BY g;
SELECT count(*), count(DISTINCT a)
FROM (SELECT ctr_auc((i % 3 = 0)::int, i * 31 % 7) OVER (ORDER BY i) AS a FROM generate_series(1, 60) i) t;

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
