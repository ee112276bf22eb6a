-- DeepFM and Wide & Deep: their tensors, their bytes, and the same scores by one row, by blocks, by any threads
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA baselines;
SET search_path = baselines, public;
SET ctr.max_threads = 2;
\i sql/forge.psql
\i sql/try.psql

CREATE TABLE clicks AS
SELECT i AS id, (hashint4(i) & 3 = 0)::int AS label, hashint4(i) & 3 AS kind, nullif(i % 97, 5)::float8 AS price,
       i % 11 AS age, 'shop ' || i % 7 AS shop, nullif('site ' || i * i % 13, 'site 4') AS site
FROM generate_series(1, 2000) i;
CREATE FUNCTION options(architecture text, classes int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('architecture', architecture, 'n_classes', classes, 'd_embed', 3,
                              'mlp_layers', '{6,4}'::int[], 'numerical_buckets', 0, 'epochs', 2, 'batch_size', 256) ||
           CASE classes WHEN 1 THEN '{"label": "label", "ignore": ["id", "kind"]}'
                        ELSE '{"label": "kind", "ignore": ["id", "label"]}' END::jsonb $$;
CREATE TABLE models AS
SELECT architecture, classes, o AS options, (SELECT ctr_train(c, o) FROM clicks c) AS model
FROM unnest('{deepfm,wide_deep}'::text[]) architecture, unnest('{1,4}'::int[]) classes,
     options(architecture, classes) o;

-- the names that PyTorch's modules would have; fm_linear is for several classes
SELECT architecture, classes, n.name, shape
FROM models, ctr_tensors(model) n WHERE n.name !~ '^ctr\.|^mlp\.mlp\.[1-6]'
ORDER BY architecture, classes, n.name COLLATE "C";
SELECT architecture, classes, ctr_config(model)->>'architecture' = architecture AS named,
       ctr_config(model)->'options' @> options AS options FROM models ORDER BY 1, 2;

-- one row and blocks; threads of a training
SELECT architecture, max(abs(p - b)) < 1e-6 AS alike, count(DISTINCT round(b::numeric, 6)) > 100 AS vary
FROM (SELECT architecture, ctr_predict(model, c) AS p, ctr_predict_batch(model, c) OVER () AS b
      FROM models, clicks c WHERE classes = 1) s GROUP BY 1 ORDER BY 1;
SELECT architecture, classes, ctr_state_dict(ctr_train(c, options || '{"threads": 1}')) =
                              ctr_state_dict(ctr_train(c, options || '{"threads": 2}')) AS alike
FROM models, clicks c GROUP BY architecture, classes, options ORDER BY 1, 2;

-- going on from a model changes its numbers, not its shape
CREATE FUNCTION shapes(model ctr_model) RETURNS text[] LANGUAGE sql AS
$$ SELECT array_agg(name || shape::text ORDER BY name) FROM ctr_tensors(model) WHERE name !~ '^ctr\.' $$;
SELECT architecture, classes, shapes(model) = shapes(more) AS same_shapes, model = more AS same
FROM models, LATERAL (SELECT ctr_train(c, '{"epochs": 1}', model) AS more FROM clicks c) m ORDER BY 1, 2;
SELECT message, hint FROM (VALUES
    (1, $$SELECT ctr_train(c, '{"d_embed": 4}', model) FROM clicks c, models
          WHERE architecture = 'deepfm' AND classes = 1$$),
    (2, $$SELECT ctr_options(ctr_deepfm() || '{"bilinear_type": "field_all"}')$$),
    (3, $$SELECT ctr_options(ctr_wide_deep() || '{"n_cross": 1}')$$),
    (4, $$SELECT ctr_options(ctr_deepcross() || '{"d_embed": 4}')$$),
    (5, $$SELECT ctr_deepfm(d_embed => 0)$$),
    (6, $$SELECT ctr_options('{"architecture": "wide&deep"}')$$)) q(i, query), try(query) ORDER BY i;

-- what training makes is accepted again; what it cannot have made is not
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN file::ctr_model::bytea = file THEN 'accepted' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT architecture, classes, attempt(model::bytea) FROM models ORDER BY 1, 2;
SELECT architecture, classes, after, attempt(changed(model::bytea, before, after)) FROM models, (VALUES
    ('\"architecture\": \"deepfm\"', '\"architecture\": \"fibinet\"'),
    ('\"architecture\": \"deepfm\"', '\"architecture\": \"wide_deep\"'),
    ('\"architecture\": \"wide_deep\"', '\"architecture\": \"deepfm\"'),
    ('\"d_embed\": 3', '\"d_embed\": 2'), ('\"d_embed\": 3', '\"d_embed\": 0'),
    ('"fm_linear.weight"', '"fm_linear.wight"'), ('"num_linear.bias"', '"num_linear.bios"')) c(before, after)
WHERE changed(model::bytea, before, after) <> model::bytea ORDER BY 1, 2, 3;
DROP SCHEMA baselines CASCADE;
