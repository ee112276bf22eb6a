-- ctr_auc, ctr_logloss, ctr_calibration: small exact cases
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

-- weights and bins beside scikit-learn 1.9's: roc_auc_score and log_loss with sample_weight, and
-- calibration_curve(strategy='quantile')
CREATE TEMPORARY TABLE scored AS
SELECT i, (i * 7919 % 13 < 4)::int AS y, (i * 104729 % 97) / 100.0::float8 AS s, i % 5 AS w
FROM generate_series(1, 500) i;
SELECT abs(ctr_auc(y, s, w) - 0.5140567524960589) < 1e-12 AS auc,
       abs(ctr_logloss(y, s, w) - 0.8922353140759439) < 1e-12 AS logloss,
       ctr_auc(y = 1, s, w) = ctr_auc(y, s, w) AND ctr_logloss(y = 1, s, w) = ctr_logloss(y, s, w) AS boolean,
       ctr_auc(y, s, 3) = ctr_auc(y, s) AS same, ctr_logloss(y, s, nullif(1, w)) > 0 AS nulls_left_out,
       ctr_logloss(y, s, 0) IS NULL AND ctr_auc(y, s, 0) IS NULL AS no_weight FROM scored;
SELECT abs(ctr_auc(y, s, w) - (SELECT ctr_auc(y, s) FROM scored, generate_series(1, w))) < 1e-12 AS repeated
FROM scored;
CREATE FUNCTION bins(b ctr_calibration_bin[], OUT bin int, OUT label numeric, OUT score numeric, OUT "rows" bigint)
RETURNS SETOF record LANGUAGE sql AS
$$ SELECT bin, round(label::numeric, 10), round(score::numeric, 10), rows FROM unnest(b) $$;
SELECT b.* FROM (SELECT ctr_calibration(y, s, 3) AS c FROM scored) a, bins(c) b;
SELECT b.* FROM (SELECT ctr_calibration(y > 0, s) AS c FROM scored) a, bins(c) b;
-- equal scores share a bin
SELECT b.* FROM (SELECT ctr_calibration(y, CASE WHEN i % 3 = 0 THEN 0.2 ELSE s END, 8) AS c FROM scored) a, bins(c) b;
SELECT ctr_calibration(y, 0.5) AS one_score, ctr_calibration(y, NULL) IS NULL AS no_rows FROM scored;
SELECT ctr_calibration(1, 0.25), ctr_calibration(true, 0.25, 1000);
SELECT count(DISTINCT c) FROM (SELECT ctr_calibration(y, s, 5) OVER (ORDER BY i) AS c FROM scored LIMIT 60) t;
SELECT ctr_calibration(y, s, i) FROM scored WHERE i < 3;
SELECT ctr_calibration(1, 0.5, 0);
SELECT ctr_calibration(1, 1.5);
SELECT ctr_calibration(1, '-Infinity');
SELECT ctr_calibration(0.5, 0.5);
SELECT ctr_auc(1, 0.5, -1);
SELECT ctr_logloss(1, 0.5, 'NaN'), ctr_auc(1, 0.5, 1e300);
\set VERBOSITY default
SELECT ctr_auc(1, 0.5, 1e300);
\set VERBOSITY terse
-- the mean AUC of groups, weighted by their rows
SELECT round((sum(auc * rows) / sum(rows) FILTER (WHERE auc IS NOT NULL))::numeric, 10) AS grouped,
       count(auc) AS groups, count(*) AS of
FROM (SELECT CASE WHEN w = 4 THEN y ELSE w END AS g, ctr_auc(y, s) AS auc, count(*) AS rows
      FROM scored GROUP BY w, CASE WHEN w = 4 THEN y ELSE w END) t;
-- in parallel the same
CREATE TABLE scored_in_parallel AS SELECT s.* FROM scored s, generate_series(1, 100);
SELECT ctr_calibration(y, s) AS bins INTO TEMPORARY serial FROM scored_in_parallel;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT (SELECT ctr_calibration(y, s) FROM scored_in_parallel) = bins AS same FROM serial;
DROP TABLE scored_in_parallel;
DROP FUNCTION bins;
