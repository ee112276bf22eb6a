-- what models show of themselves: a line, layers
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA see;
SET search_path = see, public;
\pset null '-'

CREATE TABLE clicks AS
SELECT i AS id, (i * 7919 % 10 < CASE WHEN i % 3 = 0 THEN 7 ELSE 2 END)::int AS label,
       i * 31 % 970 / 80.0 AS price, 'c' || i % 3 AS city, 'd' || i * i % 7 AS device, i % 3 AS class
FROM generate_series(1, 3000) i;
CREATE FUNCTION trained(options jsonb) RETURNS ctr_model LANGUAGE sql AS $$
SELECT ctr_train(c, ctr_fit(epochs => 2, ignore => '{id,class}') || options) FROM (SELECT * FROM clicks ORDER BY id) c $$;
CREATE TABLE models AS
SELECT row_number() OVER () AS id, name, trained(options) AS model FROM (VALUES
    ('matrix', ctr_deepcross(mlp_layers => '{8}')),
    ('vector', ctr_deepcross('vector', mlp_layers => '{8}', mlp_dropout => 0)),
    ('mix, parallel', ctr_deepcross('mix', n_cross => 3, stacked => false)),
    ('each', ctr_fibinet(mlp_layers => '{8}', bilinear_type => 'field_each')),
    ('all', ctr_fibinet(bilinear_type => 'field_all')), ('interaction', ctr_fibinet()),
    ('fm', ctr_deepfm()), ('wide', ctr_wide_deep()),
    ('classes', ctr_deepcross(n_classes => 3) || '{"label": "class", "ignore": ["id", "label"]}'),
    ('no validation', ctr_fit(validation => 0))) v (name, options);

-- one line; sizes and figures differ between CPUs
SELECT name, regexp_replace(ctr_describe(model), '[0-9]+ (kB|bytes)|0\.[0-9]{4}|[12] of', '#', 'g') AS describe
FROM models ORDER BY id;

-- layers
SELECT s.* FROM models, ctr_summary(model) s WHERE name = 'matrix';
SELECT s.* FROM models, ctr_summary(model) s WHERE name = 'all';
SELECT name, count(*) AS rows, sum(parameters) = (ctr_config(model)->>'parameters')::bigint AS add_up,
       count(*) FILTER (WHERE output_shape[1] <> -1 OR output_shape[2] < 1 OR kind = '') AS wrong,
       (array_agg(output_shape[2] ORDER BY n DESC))[1] AS last
FROM models, ctr_summary(model) WITH ORDINALITY s (layer, kind, output_shape, parameters, n)
GROUP BY models.id, name, model ORDER BY models.id;
