-- What test/models/generate trains, and the rows that its models score. Later versions add models here; they change none.

CREATE TABLE training AS
SELECT (i * 7919 % 100 < CASE WHEN i % 3 = 0 THEN 60 ELSE 30 END)::int AS label, i * i % 7 % 3 AS class, 1 + i % 4 * 0.5 AS weight, i % 5 = 0 AS held,
       nullif(i % 11, 0) AS n1, (i * 31 % 97)::float8 - 20 AS n2, exp(i % 13) AS n3,
       CASE i % 6 WHEN 0 THEN 'a' WHEN 1 THEN 'ü' WHEN 2 THEN '' WHEN 3 THEN 'comma, "quote"' WHEN 4 THEN 'a' END AS c1,
       'key ' || i * 5 % 17 AS c2, i % 4 AS c3, i % 2 = 0 AS c4
FROM generate_series(1, 120) i;

-- as in training, at the ends, beyond them, missing, unseen
CREATE TABLE scored AS
SELECT * FROM (VALUES
    (1, 3, 5.0::float8, 20.0::float8, 'a', 'key 3', 1, true), (2, 10, 76, exp(12::float8), 'ü', 'key 16', 3, false), (3, 1, -20, 1, '', 'key 0', 0, true),
    (4, 100, 1e9, 1e12, 'b', 'key 17', 9, false), (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (6, -5, '-infinity', 'NaN', 'comma, "quote"', 'KEY 3', 2, true),
    (7, 7, 0.123456789, 3.3, 'A', 'key 5 ', -1, NULL)) s(id, n1, n2, n3, c1, c2, c3, c4);

CREATE TABLE models (name text PRIMARY KEY, classes int NOT NULL, options jsonb NOT NULL, model ctr_model);

CREATE FUNCTION small(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_fit(epochs => 6, patience => 0, batch_size => 16, learning_rate => 0.03, min_count => 2, seed => 7, categorical => '{c3}') || '{"mlp_layers": [6]}' || more $$;
-- the label of so many classes, and what is no feature then
CREATE FUNCTION of_classes(classes int) RETURNS jsonb LANGUAGE sql AS
$$ SELECT CASE classes WHEN 1 THEN '{"label": "label", "ignore": ["class", "weight", "held"]}'::jsonb
          ELSE jsonb_build_object('label', 'class', 'n_classes', classes, 'ignore', '["label", "weight", "held"]'::jsonb) END $$;

INSERT INTO models
SELECT format('deepcross_%s_%s_%s', t, CASE WHEN s THEN 'stacked' ELSE 'parallel' END, k), k,
       ctr_deepcross(cross_type => t, n_cross => 2, low_rank => 2, n_experts => 2, d_embed_max => 3, stacked => s) || small(of_classes(k))
FROM unnest('{matrix,vector,mix}'::text[]) t, unnest('{true,false}'::boolean[]) s, unnest('{1,3}'::int[]) k
UNION ALL
SELECT format('fibinet_%s_%s', t, k), k, ctr_fibinet(d_embed => 2, bilinear_type => t) || small(of_classes(k))
FROM unnest('{field_interaction,field_each,field_all}'::text[]) t, unnest('{1,3}'::int[]) k
UNION ALL
SELECT format('%s_%s', a, k), k, jsonb_build_object('architecture', a, 'd_embed', 2) || small(of_classes(k))
FROM unnest('{deepfm,wide_deep}'::text[]) a, unnest('{1,3}'::int[]) k
UNION ALL
SELECT 'transform_' || t, 1, small(of_classes(1) || jsonb_build_object('numerical_transform', t)) FROM unnest('{standard,log,none}'::text[]) t
UNION ALL
SELECT 'reference_' || a, 1, '{"recipe": "reference"}'::jsonb || small(of_classes(1) || jsonb_build_object('architecture', a)) FROM unnest('{deepcross,fibinet}'::text[]) a
UNION ALL
VALUES ('plain', 1, small(of_classes(1) || '{"target_statistics": false, "numerical_buckets": 0, "n_cross": 0, "mlp_layers": [3, 2]}')),
       ('weights', 1, small('{"weight": "weight", "validation_column": "held", "ignore": ["class"]}')),
       ('numbers_only', 1, small('{"numerical": ["n1", "n2"], "categorical": [], "ignore": ["class", "weight", "held", "n3", "c1", "c2", "c3", "c4"]}')),
       ('crosses', 1, small(of_classes(1) || '{"crosses": [["c2", "c1"], ["c1", "c4"]]}')),
       ('crosses_auto', 1, small(of_classes(1) || '{"crosses": "auto", "architecture": "fibinet", "d_embed": 2}')),
       ('crosses_counted', 1, small(of_classes(1) || '{"architecture": "deepfm", "d_embed": 2, "crosses": [["c2", "c1"], ["c2", "c4"]], "cross_counts": true, "candidates": 2}')),
       ('categories_only', 1, small('{"ignore": ["class", "weight", "held", "n1", "n2", "n3"]}')),
       ('training_options', 1, small(of_classes(1) || '{"lr_schedule": "plateau", "monitor": "val_loss", "patience": 9, "validation": 0.5, "clip_norm": 1.5, "weight_decay": 0.1,
                                                        "embedding_decay": 0, "embedding_init": 0.5, "mlp_dropout": 0.5, "learning_rate": 0.05, "max_seconds": 1000, "threads": 1}'));
UPDATE models SET model = (SELECT ctr_train(t, options) FROM training t);
INSERT INTO models SELECT 'gone_on', 1, options, (SELECT ctr_train(t, '{"epochs": 1}', model) FROM (SELECT *, 'new ' || n2 AS c5 FROM training) t)
FROM models WHERE name = 'deepcross_matrix_stacked_1';

-- the scores of the scored rows, as they are kept
CREATE FUNCTION scores(name text, classes int, model ctr_model) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_agg(CASE classes WHEN 1 THEN to_jsonb(round(ctr_predict(model, s)::numeric, 6))
                    ELSE (SELECT jsonb_agg(round(p::numeric, 6)) FROM unnest(ctr_predict_classes(model, s)) p) END ORDER BY id) FROM scored s $$;
