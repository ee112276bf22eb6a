-- target statistics: a row's fold follows what the row is, and going on over rows that the model has seen
-- teaches no labels
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA folds;
SET search_path = folds, public;

CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;

-- the label sums that a model keeps, by code and group: the folds 0 … 4, and 5 for the rows held back
CREATE FUNCTION sums(model ctr_model) RETURNS TABLE (code bigint, fold bigint, weight float8, positive float8)
LANGUAGE sql AS $$
    SELECT (i - 1) / 12, (i - 1) % 12 / 2, max(v) FILTER (WHERE i % 2 = 1), max(v) FILTER (WHERE i % 2 = 0)
    FROM unnest(ctr_tensor(model, 'ctr.derived.label_sums')) WITH ORDINALITY u (v, i) GROUP BY 1, 2 $$;

-- those of all codes as one text, which does not tell in which order categories came
CREATE FUNCTION all_sums(query text, options jsonb DEFAULT '{}', weight float8 DEFAULT 1) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT string_agg(s, '';'' ORDER BY s) FROM (SELECT string_agg(weight / $1 || ''/'' '
                   '|| positive / $1, '' '' ORDER BY fold) AS s
        FROM (SELECT ctr_train(r, ctr_fit(epochs => 1, ignore => ''{id}'', validation => 0) || %L) AS model
              FROM (%s) r) m, sums(model) GROUP BY code) c',
        options, query) INTO result USING weight;
    RETURN result;
END $$;

-- rows of which many are equal are spread over the folds, and each counts once
CREATE TABLE repeated AS
SELECT i AS id, (uniform(i, 1) < 0.3)::int AS label, 's' || i % 4 AS shop, nullif(i % 3 - 1.0, 1) AS x
FROM generate_series(1, 4000) i;
SELECT code, sum(weight) AS rows,
       sum(positive) = (SELECT sum(label) FROM repeated WHERE shop = 's' || (code - 1) % 4) AS positive,
       min(weight) > 110 AND max(weight) < 250 AS spread
FROM (SELECT ctr_train(r, ctr_fit(epochs => 1, ignore => '{id}')) AS model
      FROM (SELECT * FROM repeated ORDER BY id) r) m, sums(model) WHERE code BETWEEN 2 AND 5
      GROUP BY code ORDER BY code;

-- neither order, seed and weights nor the forms that a number has decide a row's fold
SELECT all_sums('SELECT * FROM repeated ORDER BY id DESC') = s AS other_order,
       all_sums('SELECT * FROM repeated ORDER BY id', '{"seed": 7}') = s AS other_seed,
       all_sums('SELECT *, 4 AS w FROM repeated', '{"weight": "w"}', 4) = s AS weights,
       all_sums('SELECT id, label, shop, CASE WHEN x IS NULL THEN ''NaN'' WHEN x = 0 THEN ''-0'' '
                'ELSE x::float4 END AS x FROM repeated') = s AS other_numbers
FROM all_sums('SELECT * FROM repeated ORDER BY id') s;

-- Twice over the same rows: neither does a row find its own label in the model's sums, nor do rows that
-- were held back. Visitors are noise; with their labels in the statistics the AUC of validation rows grew
-- by 0.05 and that of others fell by 0.03.
CREATE TABLE visits AS
SELECT i AS id, (uniform(i, 1) < 1 / (1 + exp(-1.2 * sin(i % 40))))::int AS label, 's' || i % 40 AS shop,
    'v' || (hashint8extended(i, 7) & 1023) AS visitor
    FROM (SELECT i::bigint FROM generate_series(1, 10000) i) x;
CREATE TABLE started AS
SELECT ctr_train(v, ctr_fit(ignore => '{id}', epochs => 4, batch_size => 64, lr_schedule => 'cosine', crosses => 'none') || '{"mlp_layers": [16]}')
       AS model FROM (SELECT * FROM visits WHERE id <= 5000 ORDER BY id) v;
CREATE TABLE continued AS
SELECT seed, (SELECT ctr_train(v, ctr_fit(seed => seed), model)
              FROM (SELECT * FROM visits WHERE id <= 5000 ORDER BY id) v) AS model
              FROM started, unnest('{42,1}'::int[]) seed;
SELECT seed, (SELECT max(val_auc) FILTER (WHERE epoch > 4) - max(val_auc) FILTER (WHERE epoch <= 4)
              FROM ctr_history(c.model)) < 0.025 AS validation, after > before - 0.015 AS test
FROM continued c, LATERAL (SELECT ctr_auc(label, ctr_predict(s.model, v)) AS before,
                                  ctr_auc(label, ctr_predict(c.model, v)) AS after FROM started s, visits v
                                  WHERE id > 5000) a ORDER BY seed;

-- Rows that are held back now, but trained before, leave out their labels likewise: next to nothing is
-- learned here, and they score as training rows do. Embeddings are kept at 0, so that statistics alone
-- tell visitors apart.
CREATE TABLE visitors AS
SELECT i AS id, (uniform(i, 1) < 0.1 + 0.8 * uniform(v, 2))::int AS label, 'v' || v AS visitor
FROM (SELECT i, hashint8extended(i, 7) & 511 AS v FROM generate_series(1, 4000) i) x;
CREATE TABLE trained AS
SELECT ctr_train(v, ctr_fit(ignore => '{id}', epochs => 4, batch_size => 64, validation => 0,
                            embedding_decay => 1) || '{"mlp_layers": [16], "mlp_dropout": 0}') AS model
FROM (SELECT * FROM visitors ORDER BY id) v;
SELECT train_auc > 0.7 AS learned, val_auc < train_auc + 0.03 AS left_out
FROM trained,
     LATERAL (SELECT ctr_train(v, ctr_fit(epochs => 1, learning_rate => 1e-9, validation => 0.5, seed => 3),
                               model) AS model
              FROM (SELECT * FROM visitors ORDER BY id) v) h,
     ctr_history(h.model)
WHERE epoch = 5;

-- sums of categories that the model knows stay, so statistics do; of new ones they come from the new rows,
-- and stay then
CREATE TABLE later AS
SELECT id, label, CASE WHEN id % 10 = 0 THEN 'new' ELSE shop END AS shop, visitor FROM visits WHERE id > 5000;
CREATE TABLE grown AS
SELECT 1 AS step, (SELECT ctr_train(l, ctr_fit(epochs => 1), model)
                   FROM (SELECT * FROM later ORDER BY id) l) AS model FROM started;
INSERT INTO grown
SELECT 2, (SELECT ctr_train(l, '{}', model) FROM (SELECT * FROM later ORDER BY id DESC) l) FROM grown;
SELECT count(*) > 20 AS codes,
       count(*) FILTER (WHERE s.weight <> g.weight OR s.positive <> g.positive) AS changed
       FROM started a, sums(a.model) s, grown b, sums(b.model) g
WHERE step = 1 AND s.code = g.code AND s.fold = g.fold AND s.code BETWEEN 2 AND 41;
SELECT step, sum(weight) AS rows,
       sum(positive) = (SELECT sum(label) FROM later WHERE shop = 'new') AS positive,
       count(*) FILTER (WHERE weight BETWEEN 50 AND 130) AS groups,
       max((ctr_tensor(model, 'ctr.derived.statistics'))[43])::text
           = (SELECT max((ctr_tensor(model, 'ctr.derived.statistics'))[43])::text FROM grown
              WHERE step = 1) AS same_statistic
FROM grown, sums(model) WHERE code = 42 GROUP BY step ORDER BY step;

-- A code without training rows has statistic 0. With min_count 1 only rows held back are unseen, and here
-- they have more clicks than most pairs: with their statistic, unseen rows were said to have 1.7 times the
-- clicks that they have.
CREATE TABLE pairs AS
SELECT i AS id, (CASE WHEN p < 0 THEN uniform(i, 1) < 0.3 ELSE uniform(p, 2) < 0.05 END)::int AS label,
       'p' || p AS pair
FROM (SELECT i, CASE WHEN i % 4 = 0 THEN -i ELSE hashint8extended(i, 3) & 511 END AS p
      FROM generate_series(1, 12000) i) x;
SELECT (ctr_tensor(model, 'ctr.derived.statistics'))[1] = 0 AS no_statistic,
       (SELECT sum(weight) > 100 FROM sums(model) WHERE code = 0 AND fold = 5) AS held_back,
       (SELECT (ctr_evaluate(model, p)).calibration BETWEEN 0.5 AND 1.4 FROM pairs p
        WHERE id > 8000 AND id % 4 = 0) AS calibrated
FROM (SELECT ctr_train(p, ctr_fit(ignore => '{id}', min_count => 1, epochs => 8, batch_size => 128,
                                  learning_rate => 0.01, embedding_decay => 0.1) || '{"mlp_layers": [16]}')
                                      AS model
      FROM (SELECT * FROM pairs WHERE id <= 8000 ORDER BY id) p) m;

DROP SCHEMA folds CASCADE;
