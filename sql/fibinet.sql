-- FiBiNET; all families on several kinds of inputs, several classes, sample weights
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
\pset null '-'

-- labels of two and of three classes: both follow from color and shape together (a cross), and from size
CREATE TABLE shapes AS
SELECT i AS id, color, shape, size, 1 + i % 3 AS depth,
       (noise < CASE WHEN (color = 'red') = (shape = 'cube') THEN 85 ELSE 10 END)::int AS label,
       CASE WHEN noise < 10 THEN noise % 3 WHEN size > 700 THEN 2
           ELSE ((color = 'red') = (shape = 'cube'))::int END AS kind
FROM (SELECT i, i * 7919 % 100 AS noise, CASE i % 2 WHEN 0 THEN 'red' ELSE 'blue' END AS color,
             CASE i / 2 % 2 WHEN 0 THEN 'cube' ELSE 'ball' END AS shape, (i * 31 % 997)::float8 AS size
      FROM generate_series(1, 3000) i) s;
CREATE FUNCTION quick(more jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_fit(epochs => 12, batch_size => 128, learning_rate => 0.01,
                  patience => 12) || '{"ignore": ["id", "kind"]}' || more $$;

-- every bilinear type learns the cross
SELECT bilinear_type, auc > 0.75 AS learned, accuracy > 0.7 AS accurate, rows
FROM unnest('{field_interaction,field_each,field_all}'::text[]) bilinear_type,
     LATERAL (SELECT ctr_train(s, quick(ctr_fibinet(bilinear_type => bilinear_type, d_embed => 4))) AS model
              FROM shapes s) m,
     LATERAL (SELECT (ctr_evaluate(model, s)).* FROM shapes s) e ORDER BY 1;

-- all families over both kinds of features, over numbers alone, and over categories alone; one number,
-- one category
CREATE TABLE families (family text, options jsonb);
INSERT INTO families VALUES ('deepcross', ctr_deepcross(mlp_layers => '{16}')),
                            ('fibinet', ctr_fibinet(d_embed => 4, mlp_layers => '{16}')),
                            ('deepfm', ctr_deepfm(d_embed => 4, mlp_layers => '{16}')),
                            ('wide_deep', ctr_wide_deep(d_embed => 4, mlp_layers => '{16}'));
CREATE FUNCTION auc_on(options jsonb, columns text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    auc float8;
BEGIN
    EXECUTE
        format('WITH s AS MATERIALIZED (SELECT label, %s FROM shapes),
             m AS MATERIALIZED (SELECT ctr_train(s, $1) AS model FROM s)
        SELECT (ctr_evaluate(model, s)).auc FROM m, s', columns) INTO auc USING options - 'ignore';
    RETURN auc;
END $$;
SELECT family, columns, auc_on(quick(options), columns) > least_auc AS learned FROM families,
     (VALUES ('color, shape, size, depth', 0.75), ('color, shape', 0.75), ('size, depth', 0.4),
             ('size, color', 0.4)) v(columns, least_auc) ORDER BY 1, 2;
SELECT family, columns, auc_on(quick(options), columns) > 0.4 AS learned
FROM families, unnest('{size,color}'::text[]) columns WHERE family <> 'fibinet' ORDER BY family, columns;

-- three classes
CREATE TABLE of_three AS
SELECT family, ctr_train(s, quick(options || '{"n_classes": 3, "label": "kind", "ignore": ["id", "label"]}'))
       AS model FROM families, shapes s GROUP BY family, options;
SELECT family, count(*), bool_and(cardinality(p) = 3) AS three,
       bool_and(abs(p[1] + p[2] + p[3] - 1) < 1e-6) AS sum_is_1,
       bool_and(0 <= least(p[1], p[2], p[3])) AS not_negative,
       avg((kind = CASE greatest(p[1], p[2], p[3]) WHEN p[1] THEN 0 WHEN p[2] THEN 1 ELSE 2 END)::int) > 0.8
           AS learned
FROM of_three, shapes s, LATERAL (SELECT ctr_predict_classes(model, s) AS p) x GROUP BY 1 ORDER BY 1;
SELECT family, e.rows, e.auc, e.calibration, e.accuracy > 0.8 AS accurate, e.loss < 0.6 AS low_loss,
       e.normalized_entropy < 0.6 AS informed,
       abs(e.accuracy - a) < 1e-9 AS same_accuracy, abs(e.loss - l) < 1e-6 AS same_loss
FROM (SELECT family, (ctr_evaluate(model, s)).* FROM of_three, shapes s GROUP BY family) e
JOIN (SELECT family, avg((kind = CASE greatest(p[1], p[2], p[3]) WHEN p[1] THEN 0 WHEN p[2] THEN 1
                          ELSE 2 END)::int) AS a, avg(-ln(p[kind + 1])) AS l
      FROM of_three, shapes s, LATERAL (SELECT ctr_predict_classes(model, s) AS p) x GROUP BY 1) c
      USING (family) ORDER BY 1;
SELECT family, bool_and(train_auc IS NULL AND val_auc IS NULL) AS no_auc, bool_and(val_loss > 0) AS val_loss,
       count(*) FILTER (WHERE is_best) AS best
FROM of_three, ctr_history(model) GROUP BY 1 ORDER BY 1;
SELECT family, ctr_config(model)->'options'->'n_classes' AS n_classes FROM of_three ORDER BY 1;
SELECT bool_and(model::bytea::ctr_model::bytea = model::bytea) AS bytes FROM of_three;

-- a class that no training row has is allowed; two classes as two logits are the same question as one
SELECT bool_and(cardinality(p) = 5 AND p[4] + p[5] < 0.05) AS rare
FROM (SELECT ctr_train(s, quick('{"n_classes": 5}')) AS model FROM shapes s) m, shapes s,
     LATERAL (SELECT ctr_predict_classes(model, s) AS p) x;
SELECT accuracy > 0.75 AS two_classes
FROM (SELECT ctr_train(s, quick('{"n_classes": 2}')) AS model FROM shapes s OFFSET 0) m,
     LATERAL (SELECT (ctr_evaluate(model, s)).* FROM shapes s) e;

-- errors of models and labels of several classes
SELECT q.i, e.* FROM (VALUES
 (1, 'SELECT ctr_predict(model, s) FROM of_three, shapes s'),
 (2, 'SELECT ctr_predict_batch(model, s) OVER () FROM of_three, shapes s'),
 (3, 'SELECT ctr_train(s, quick(''{"n_classes": 2, "label": "kind", "ignore": ["id", "label"]}'')) '
     'FROM shapes s'),
 (4, 'SELECT ctr_train(s, quick(''{"n_classes": 3}'')) FROM (SELECT id, kind, color, label * 1.5 AS label '
     'FROM shapes) s'),
 (5, 'SELECT ctr_train(s, quick(''{"n_classes": 3}'')) FROM (SELECT id, kind, color, ''x'' AS label '
     'FROM shapes) s'),
 (6, 'SELECT ctr_train(s, quick(''{"n_classes": 3}'')) FROM (SELECT id, kind, color, 2 AS label '
     'FROM shapes) s'),
 (7, 'SELECT ctr_evaluate(model, s) FROM of_three, (SELECT id, label, color, shape, size, depth, 3 AS kind '
     'FROM shapes) s'),
 (8, 'SELECT ctr_train(s, ctr_fibinet(n_classes => 0)) FROM shapes s'),
 (9, 'SELECT ctr_train(s, ctr_fibinet(d_embed => 0)) FROM shapes s'),
 (10, 'SELECT ctr_train(s, ctr_fibinet(bilinear_type => ''field_every'')) FROM shapes s'),
 (11, 'SELECT ctr_train(s, ctr_fibinet(reduction_ratio => -1)) FROM shapes s'),
 (12, 'SELECT ctr_train(s, ctr_fibinet()) FROM (SELECT label, color FROM shapes) s')
) q(i, query), try(query) e ORDER BY 1;

-- Sample weights. In `once` some rows weigh 2 or 0, in `again` they are there twice or left out. Every
-- combination of features has as many of each, so that means, quantiles and batch statistics are the same:
-- so must be the losses.
CREATE TABLE once AS
SELECT color, shape, depth, label, CASE WHEN part < 3 THEN 2 WHEN part = 3 THEN 0 ELSE 1 END AS weight
FROM unnest('{red,blue}'::text[]) color, unnest('{cube,ball}'::text[]) shape, generate_series(1, 3) depth,
     LATERAL (SELECT part, (part % 4 < CASE WHEN color = 'red' THEN 3 ELSE 1 END)::int AS label
              FROM generate_series(0, 11) part) p;
CREATE TABLE again AS SELECT color, shape, depth, label FROM once, generate_series(1, weight);
SELECT count(*), sum(weight), (SELECT count(*) FROM again) AS again FROM once;
CREATE FUNCTION full_batch(options jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_fit(recipe => 'reference', epochs => 20, batch_size => 1000, validation => 0,
                  learning_rate => 0.01) || options || '{"mlp_dropout": 0}' $$;
SELECT family, n_classes, max(abs(o.train_loss - a.train_loss)) < 2e-3 AS loss,
       max(abs(o.train_auc - a.train_auc)) < 0.02 AS auc,
       max(abs(u.train_loss - a.train_loss)) > 0.01 AS weights_matter
FROM families, unnest('{1,2}'::int[]) n_classes,
     LATERAL (SELECT full_batch(options || jsonb_build_object('n_classes', n_classes)) AS o) f,
     LATERAL (SELECT ctr_train(r, o || '{"weight": "weight"}') AS weighted,
                     ctr_train(r, o || '{"ignore": ["weight"]}') AS unweighted FROM once r) w,
     LATERAL (SELECT ctr_train(r, o) AS repeated FROM again r) r,
     LATERAL ctr_history(weighted) o JOIN LATERAL ctr_history(repeated) a USING (epoch)
     JOIN LATERAL ctr_history(unweighted) u USING (epoch)
GROUP BY 1, 2 ORDER BY 1, 2;

-- weights only count relative to each other
SELECT bool_and(abs(a.train_loss - b.train_loss) < 1e-5) AS scale
FROM (SELECT ctr_train(r, full_batch('{"weight": "weight"}')) AS model
      FROM (SELECT color, shape, label, weight * 1000.0 AS weight FROM once) r) x, ctr_history(model) a
JOIN LATERAL (SELECT h.* FROM (SELECT ctr_train(r, full_batch('{"weight": "weight"}')) AS model
                               FROM (SELECT color, shape, label, weight * 0.001 AS weight FROM once) r) y,
                                    ctr_history(model) h) b USING (epoch);

-- validation is weighted too: only rows of weight above 0 count, here those of label = (color is red)
CREATE TABLE judged AS
SELECT color, label, 1::float4 AS weight, false AS held FROM once
UNION ALL SELECT color, label, CASE WHEN label = (color = 'red')::int THEN 3 ELSE 0 END, true FROM once;
SELECT max(val_auc) = 1 AS weighted_auc, min(val_loss) < 0.5 AS weighted_loss
FROM (SELECT ctr_train(r, full_batch('{"batch_size": 16, "patience": 20, "weight": "weight", '
                                     '"validation_column": "held"}')) AS model FROM judged r) m,
                                         ctr_history(model);
SELECT max(val_auc) < 0.8 AS unweighted_auc, min(val_loss) > 0.5 AS unweighted_loss
FROM (SELECT ctr_train(r, full_batch('{"batch_size": 16, "ignore": ["weight"], "validation_column": "held"}'))
             AS model FROM judged r) m, ctr_history(model);

-- weights of 0 on all validation rows: nothing to validate with
SELECT count(*), count(val_loss) AS val_loss, count(val_auc) AS val_auc
FROM (SELECT ctr_train(r, full_batch('{"epochs": 3, "weight": "weight", "validation_column": "held"}'))
             AS model
      FROM (SELECT color, label, (NOT held)::int AS weight, held FROM judged) r) m, ctr_history(model);

-- most rows weigh 0
SELECT bool_and(train_loss > 0) AS fine
FROM (SELECT ctr_train(r, full_batch('{"epochs": 3, "weight": "weight", "batch_size": 3}')) AS model
      FROM (SELECT color, label, (id <= 20)::int AS weight FROM shapes WHERE id <= 200) r) m,
           ctr_history(model);
SELECT ctr_config(ctr_train(r, full_batch('{"epochs": 1, "weight": "weight"}')))->'rows' AS rows FROM once r;

-- errors of weights
SELECT q.i, e.* FROM (VALUES
 (1, 'SELECT ctr_train(r, ''{"weight": "weight"}'') '
     'FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 END AS weight FROM shapes) r'),
 (2, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 '
     'ELSE -0.5 END AS weight FROM shapes) r'),
 (3, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 '
     'ELSE ''NaN''::float8 END AS weight FROM shapes) r'),
 (4, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 '
     'ELSE ''Infinity''::float8 END AS weight FROM shapes) r'),
 (5, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 '
     'ELSE 1e39 END AS weight FROM shapes) r'),
 (11, 'SELECT ctr_train(r, ''{"weight": "weight"}'') '
      'FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 ELSE 2e36 END AS weight FROM shapes) r'),
 (12, 'SELECT ctr_train(r, ''{"weight": "weight"}'') '
      'FROM (SELECT id, label, color, CASE WHEN id <> 77 THEN 1 ELSE 1e-41 END AS weight FROM shapes) r'),
 (6, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, 0 AS weight '
     'FROM shapes) r'),
 (7, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, label AS weight '
     'FROM shapes) r'),
 (8, 'SELECT ctr_train(r, ''{"weight": "weight"}'') FROM (SELECT id, label, color, ''1'' AS weight '
     'FROM shapes) r'),
 (9, 'SELECT ctr_train(r, ''{"weight": "wieght"}'') FROM (SELECT id, label, color, 1 AS weight '
     'FROM shapes) r'),
 (10, 'SELECT ctr_train(r, ''{"weight": "label"}'') FROM (SELECT id, label, color FROM shapes) r')
) q(i, query), try(query) e ORDER BY 1;

DROP TABLE shapes, families, of_three, once, again, judged;
DROP FUNCTION quick, full_batch, auc_on;
