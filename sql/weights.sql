-- rows' weights, and the rows of a step
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA weights;
SET search_path = weights, public;
CREATE TABLE rows AS
SELECT i AS id, (hashint4(i) & 3 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city,
       1 + (i % 5)::float8 AS weight, i % 4 = 0 AS held FROM generate_series(1, 1000) i;

-- rows of weight 0, whatever is in them, between the others
CREATE TABLE with_zeros AS SELECT * FROM rows UNION ALL
SELECT 2 * i, CASE i % 3 WHEN 0 THEN 7 WHEN 1 THEN NULL ELSE 1 END, i * 1e100, 'z' || i % 2, 0, i % 2 = 0
FROM generate_series(1, 400) i;
CREATE FUNCTION options(more jsonb) RETURNS jsonb LANGUAGE sql
AS $$ SELECT ctr_fit(epochs => 3, ignore => '{id}', weight => 'weight', batch_size => 64) || more $$;

-- they are as if they were not there
SELECT more, ctr_state_dict(a) = ctr_state_dict(b) AS weights,
       ctr_config(a) - 'trained_at' = ctr_config(b) - 'trained_at' AS config,
       (SELECT array_agg(f ORDER BY f.position)
        FROM ctr_features(a) f) = (SELECT array_agg(f ORDER BY f.position)
                                   FROM ctr_features(b) f) AS features,
       (SELECT bool_and(x.val_loss IS NOT DISTINCT FROM y.val_loss AND x.train_auc = y.train_auc)
        FROM ctr_history(a) x JOIN ctr_history(b) y USING (epoch)) AS history
FROM (VALUES ('{"ignore": ["id", "held"]}'::jsonb), ('{"validation_column": "held"}'),
             ('{"architecture": "fibinet", "validation_column": "held", "numerical_transform": '
              '"none"}')) o(more),
     LATERAL (SELECT ctr_train(r, options(more) ORDER BY id, weight) AS a FROM rows r) a,
     LATERAL (SELECT ctr_train(r, options(more) ORDER BY id, weight) AS b FROM with_zeros r) b;

-- also where there are no others
SELECT ctr_train(r, options('{}')) FROM rows r WHERE false;
SELECT ctr_train(r, options('{}')) FROM with_zeros r WHERE weight = 0;
SELECT ctr_train(r, options('{"validation_column": "held"}')) FROM with_zeros r WHERE weight = 0 OR held;
SELECT ctr_train(r, options('{"validation_column": "held"}')) FROM with_zeros r WHERE held;

-- a weight that is none is an error, but not where there is no label
SELECT ctr_train(r, options('{}'))
FROM (SELECT label, price, city, id, held, NULL::float8 AS weight FROM rows) r;
SELECT ctr_train(r, options('{}')) FROM (SELECT label, price, city, id, held, -weight AS weight FROM rows) r;
SELECT ctr_train(r, options('{}')) IS NOT NULL AS trained
FROM (SELECT * FROM rows UNION ALL SELECT 0, NULL, 1, 'c1', NULL, false) r;

-- A last batch of few rows shakes no statistics: the two last ones share their rows. Nothing is learnt
-- here, so that the statistics of all trainings are about the same.
CREATE FUNCTION variances(n int, size int) RETURNS float4[] LANGUAGE sql AS $$
    SELECT ctr_tensor(ctr_train(r, ctr_fit(epochs => 100, learning_rate => 1e-9, validation => 0,
                                           batch_size => size, ignore => '{id,weight,held}')
                                   || '{"mlp_layers": [32]}'), 'mlp.mlp.1.running_var')
    FROM (SELECT * FROM rows ORDER BY id LIMIT n) r $$;
SELECT n, max(abs(a / b - 1)) < 0.12 AS variances
FROM generate_series(514, 516) n, LATERAL unnest(variances(n, 256), variances(512, 256)) v(a, b)
GROUP BY n ORDER BY n;

-- batches of one and two rows, and trainings of two and three
SELECT size, (ctr_evaluate(model, r)).loss < 2 AS loss
FROM (SELECT size, ctr_train(r,
                             ctr_fit(epochs => 2, batch_size => size, ignore => '{id,weight,held}')) AS model
                             FROM rows r, unnest('{1,2,3}'::int[]) size GROUP BY size) m, rows r
GROUP BY size, model ORDER BY size;
SELECT n, (ctr_tensor(model, 'mlp.mlp.1.num_batches_tracked'))[1] AS batches,
       ctr_predict(model, r) BETWEEN 0.01 AND 0.99 AS scores
FROM generate_series(2, 3) n,
     LATERAL (SELECT ctr_train(few,
                               ctr_fit(epochs => 2, validation => 0, min_count => 1, batch_size => 2))
                                   AS model FROM (SELECT i % 2 AS label, i AS x
                                       FROM generate_series(1, n) i) few OFFSET 0) m,
     (SELECT 1 AS x) r ORDER BY n;
DROP SCHEMA weights CASCADE;
