-- numbers beyond those of the training rows, and numbers so large that a training cannot bear them
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA numbers;
SET search_path = numbers, public;
CREATE TABLE rows AS
SELECT (hashint4(i) & 3 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city
FROM generate_series(1, 1000) i;
\i sql/try.psql
\pset null '-'

-- whatever the transform, a number beyond counts as the largest or least of the training rows: for the
-- network and for its scores
CREATE TABLE models AS
SELECT t AS transform, ctr_train(r,
                                 ctr_fit(epochs => 2, numerical_transform => t)
                                     || ctr_deepcross(n_cross => 8)) AS model
FROM rows r, unnest('{none,standard,log,quantile}'::text[]) t GROUP BY t;
SELECT transform, count(*) AS values, bool_and(e.x_num = f.x_num) AS as_the_nearest,
       bool_and(ctr_predict(model, r) = ctr_predict(model, n)) AS same_score
FROM models,
     unnest('{97,1e6,1e13,1e16,1e38,1e39,1e139,1e141,1e300,Infinity,-1,-1e16,-1e141,-Infinity}'::float8[]) v,
     LATERAL (SELECT v AS price, 'c1' AS city) r,
     LATERAL (SELECT CASE WHEN v > 0 THEN 96.0 ELSE 0.0 END AS price, 'c1' AS city) n,
     LATERAL ctr_encode(model, r) e, LATERAL ctr_encode(model, n) f
GROUP BY transform ORDER BY transform;
SELECT bool_and(ctr_predict(model, r) BETWEEN 0 AND 1) AS sentinel
FROM models, (SELECT 9223372036854775807 AS price, 'c1' AS city) r;

-- one such row takes no metric away, in evaluation or in validation
SELECT transform, e.rows, e.loss IS NOT NULL AS loss, e.auc IS NOT NULL AS auc
FROM (SELECT transform, (ctr_evaluate(model, r)).*
      FROM models, (SELECT * FROM rows UNION ALL SELECT 1, 1e16, 'c1') r GROUP BY transform OFFSET 0) e
      ORDER BY 1;
SELECT count(val_loss) AS losses, count(val_auc) AS aucs, max(val_loss) < 10 AS low
FROM (SELECT ctr_train(r, ctr_fit(epochs => 2, numerical_transform => 'none', validation_column => 'v')) AS m
      FROM (SELECT *, price > 80 AS v FROM rows UNION ALL SELECT 1, 1e16, 'c1', true) r OFFSET 0) t,
           ctr_history(m);

-- huge numbers in training rows are named, with what to do: not the learning rate
SELECT q.i, e.state, e.message, e.detail, e.hint FROM (VALUES
 (1, $$SELECT ctr_train(r, ctr_fit(epochs => 2, numerical_transform => 'none')) FROM (SELECT * FROM rows
     UNION ALL SELECT 1, 1e16, 'c1') r$$),
 (2, $$SELECT ctr_train(r, ctr_fit(epochs => 2, numerical_transform => 'none')) FROM (SELECT *,
     1e100 * label AS huge FROM rows) r$$),
 (3, $$SELECT ctr_train(r, ctr_fibinet() || ctr_fit(epochs => 2, numerical_transform => 'none'))
  FROM (SELECT *, hashint8extended(price::int, 0) AS user_hash FROM rows) r$$),
 (4, $$SELECT ctr_train(r, ctr_deepcross(n_cross => 8) || ctr_fit(numerical_transform => 'none'))
  FROM (SELECT i % 2 AS label, 1e14 * i AS x FROM generate_series(1, 500) i) r$$)
) q(i, query), try(query) e ORDER BY 1;

-- what the hint says helps
SELECT message FROM try($$SELECT ctr_train(r, ctr_fit(epochs => 2)) FROM (SELECT *,
    hashint8extended(price::int, 0) AS user_hash FROM rows) r$$)
UNION ALL SELECT message FROM try($$SELECT ctr_train(r,
    ctr_fit(epochs => 2, numerical_transform => 'none', categorical => '{user_hash}'))
    FROM (SELECT *, hashint8extended(price::int, 0) AS user_hash FROM rows) r$$);

-- whatever is returned can be restored
DO $$
DECLARE model ctr_model; message text;
BEGIN
    FOR i IN 2 .. 20 LOOP
        FOR architecture IN 0 .. 1 LOOP
            BEGIN
                SELECT ctr_train(r, CASE architecture WHEN 0 THEN ctr_deepcross()
                                 ELSE ctr_fibinet() END || ctr_fit(epochs => 1,
                                     numerical_transform => 'none')) INTO STRICT model
                FROM (SELECT label, city, price * (10 ^ i) AS price FROM rows) r;
            EXCEPTION WHEN numeric_value_out_of_range THEN
                GET STACKED DIAGNOSTICS message = PG_EXCEPTION_DETAIL;
                IF message NOT LIKE 'Column "price" has numbers from 0 to %' THEN
                    RAISE WARNING '%', message;
                END IF;
                CONTINUE;
            END;
            PERFORM model::bytea::ctr_model;
        END LOOP;
    END LOOP;
END $$;
DROP SCHEMA numbers CASCADE;
